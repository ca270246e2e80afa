//! `vitrion check`: the resolved plan and what it costs; nothing is run.

use super::Common;
use super::output::{duration, print, print_json, table, words};
use serde::Serialize;
use std::path::PathBuf;
use vitrion::error::Error;
use vitrion::inputs::Inputs;
use vitrion::jobs::SchedulerSettings;
use vitrion::plan::Estimate;
use vitrion::{Plan, RunFile};

/// Validate a run file, print the resolved plan and an estimate of time and memory; run nothing
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The run file
    #[arg(value_name = "RUN.toml")]
    run: PathBuf,
    /// Plan and estimate as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Checked<'a> {
    plan: &'a Plan,
    estimate: &'a Estimate,
    /// Settings that rarely do what was meant.
    advice: &'a [String],
}

pub(super) fn check(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    let run = RunFile::read(&arguments.run)?;
    let mut inputs = Inputs::load(&run)?;
    let plan = Plan::resolve(&run, &inputs)?;
    // the jobs of a queue choose on their machines
    if matches!(run.scheduler, SchedulerSettings::Local { .. }) {
        inputs.choose_device(&run, &plan)?;
    }
    let estimate = plan.estimate(&inputs, common.threads).map_err(|source| Error::Potential {
        what: "the potential on the initial structures".to_owned(),
        source,
    })?;
    let advice = plan.advice(&inputs);
    if arguments.json {
        print_json(&Checked { plan: &plan, estimate: &estimate, advice: &advice });
    } else {
        let potential = format!("{}\n{}", inputs.described(), inputs.potential.card().tables);
        print(&described(&plan, &estimate, &potential, &advice));
    }
    Ok(())
}

fn described(plan: &Plan, estimate: &Estimate, tables: &str, advice: &[String]) -> String {
    let mut systems = vec![words(&["system", "formula", "atoms", "g/cm³", "closest pair [Å]"])];
    for system in &plan.systems {
        systems.push(vec![
            system.name.clone(),
            system.formula.clone(),
            system.atoms.to_string(),
            format!("{:.4}", system.density_g_per_cm3),
            system.closest_pair_a.map_or("> 4".to_owned(), |distance| format!("{distance:.3}")),
        ]);
    }
    let mut runs =
        vec![words(&["run", "atoms", "steps", "neighbours", "kB/atom", "µs/atom/step", "time"])];
    for run in &estimate.runs {
        runs.push(vec![
            run.id.clone(),
            run.atoms.to_string(),
            run.steps.to_string(),
            format!("{:.0}", run.neighbors),
            format!("{:.2}", run.bytes_per_atom * 1e-3),
            format!("{:.2}", run.us_per_atom_step),
            duration(run.wall_s),
        ]);
    }
    let advice: Vec<&str> = advice.iter().flat_map(|remark| ["\nadvice: ", remark]).collect();
    format!(
        "{}\n{}\n{} runs at a time, {} thread(s) each: about {}, {:.0} MB of memory besides the \
         potential, {:.0} MB of trajectories\n{tables}{}\n\n# plan.toml\n{}",
        table(&systems),
        table(&runs),
        estimate.concurrent_runs,
        estimate.threads_per_run,
        duration(estimate.wall_s),
        estimate.memory_mb.ceil(),
        estimate.disk_mb.ceil(),
        advice.concat(),
        plan.to_toml()
    )
}
