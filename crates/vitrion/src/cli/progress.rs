//! Progress on stderr: bars with the time left on a terminal, a line now and then elsewhere.

use super::output::{complain, duration};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use vitrion::Plan;
use vitrion::pipeline::Event;
use vitrion::plan::StagePlan;

/// Between two lines where there is no terminal.
const QUIET_INTERVAL: Duration = Duration::from_secs(30);

/// Shows what the pipeline does.
pub(super) struct Bars {
    /// Atoms of each run, so that the total moves evenly.
    atoms: Vec<u64>,
    steps_per_run: u64,
    state: Mutex<State>,
}

struct State {
    shown: Shown,
    /// Atom-steps of each run that are done: finished stages and the present one.
    finished: Vec<u64>,
    present: Vec<u64>,
}

enum Shown {
    Nothing,
    Bars { all: MultiProgress, total: ProgressBar, runs: Vec<Option<ProgressBar>> },
    Lines { start: Instant, last: Instant, first_done: Option<u64> },
}

impl Bars {
    /// For all runs of a plan, or one of them.
    pub(super) fn new(plan: &Plan, only: Option<usize>, quiet: bool) -> Self {
        let wanted = |index: usize| only.is_none_or(|only| only == index);
        let of = |(index, run)| {
            if wanted(index) { plan.systems[plan.system_of(run)].atoms as u64 } else { 0 }
        };
        let atoms: Vec<u64> = plan.runs.iter().enumerate().map(of).collect();
        let steps_per_run: u64 = plan.stages.iter().map(StagePlan::dynamics_steps).sum();
        let all_steps: u64 = atoms.iter().map(|atoms| atoms * steps_per_run).sum();
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template(
                "{msg:24} {wide_bar:.cyan} {percent:>3} %  {elapsed} gone, {eta} left",
            )
            .expect("a valid template");
            let total = all.add(ProgressBar::new(all_steps).with_style(style));
            total.set_message(plan.name.clone());
            Shown::Bars { all, total, runs: vec![None; plan.runs.len()] }
        } else {
            let now = Instant::now();
            Shown::Lines { start: now, last: now, first_done: None }
        };
        let runs = plan.runs.len();
        let state = State { shown, finished: vec![0; runs], present: vec![0; runs] };
        Bars { atoms, steps_per_run, state: Mutex::new(state) }
    }

    pub(super) fn show(&self, event: Event<'_>) {
        // every step of every run comes here: look at a few only
        if let Event::Step { progress, .. } = event
            && progress.step % 10 != 0
            && progress.step != progress.steps
        {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        match event {
            Event::Stage { run, .. } => state.present[run] = 0,
            Event::Step { run, progress, .. } => state.present[run] = progress.step,
            Event::StageDone { run, steps } => {
                state.finished[run] += steps;
                state.present[run] = 0;
            }
            Event::RunDone { .. } => {}
        }
        let done: u64 = (0..self.atoms.len())
            .map(|run| self.atoms[run] * (state.finished[run] + state.present[run]))
            .sum();
        match &mut state.shown {
            Shown::Nothing => {}
            Shown::Bars { all, total, runs } => {
                total.set_position(done);
                bar(all, runs, event);
            }
            Shown::Lines { start, last, first_done } => {
                let all: u64 = self.atoms.iter().map(|atoms| atoms * self.steps_per_run).sum();
                let first = *first_done.get_or_insert(done);
                let finished = matches!(event, Event::RunDone { .. });
                if last.elapsed() < QUIET_INTERVAL && !finished {
                    return;
                }
                *last = Instant::now();
                let elapsed = start.elapsed().as_secs_f64();
                let here = (done - first).max(1) as f64;
                let left = elapsed * all.saturating_sub(done) as f64 / here;
                let what = match event {
                    Event::RunDone { id, .. } => format!("{id} done; "),
                    _ => String::new(),
                };
                let percent = 100.0 * done as f64 / all.max(1) as f64;
                complain(&format!("{what}{percent:.0} %, about {} left", duration(left)));
            }
        }
    }

    pub(super) fn finish(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Shown::Bars { all, .. } = &state.shown {
            // a terminal that is gone needs no cleaning
            let _ = all.clear();
        }
    }
}

/// Progress of jobs.
pub(super) struct JobsBar {
    bar: Option<ProgressBar>,
    name: String,
    quiet: bool,
    start: Instant,
    last: Mutex<Option<Instant>>,
}

/// A bar for jobs called `name`.
pub(super) fn jobs_bar(common: &super::Common, name: &str) -> JobsBar {
    let bar = (!common.quiet && std::io::stderr().is_terminal()).then(|| {
        let style = ProgressStyle::with_template(
            "{prefix:14} {wide_bar:.cyan} {pos}/{len}  {elapsed} gone, {eta} left  {msg}",
        )
        .expect("a valid template");
        let bar = ProgressBar::new(0).with_style(style);
        bar.set_prefix(name.to_owned());
        bar
    });
    JobsBar {
        bar,
        name: name.to_owned(),
        quiet: common.quiet,
        start: Instant::now(),
        last: Mutex::new(None),
    }
}

impl JobsBar {
    /// Shows how far the jobs are.
    pub(super) fn show(&self, progress: &vitrion::jobs::Progress) {
        let ended = progress.done + progress.failed;
        let failed = if progress.failed > 0 {
            format!(", {} failed", progress.failed)
        } else {
            String::new()
        };
        if let Some(bar) = &self.bar {
            bar.set_length(progress.jobs as u64);
            bar.set_position(ended as u64);
            bar.set_message(format!("{} running{failed}", progress.running));
            if ended == progress.jobs {
                bar.finish_and_clear();
            }
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| at.elapsed() > QUIET_INTERVAL) || ended == progress.jobs;
        if self.quiet || !due || progress.jobs == 0 {
            return;
        }
        *last = Some(Instant::now());
        let left = if ended > 0 {
            let each = self.start.elapsed().as_secs_f64() / ended as f64;
            format!(", about {} left", duration(each * (progress.jobs - ended) as f64))
        } else {
            String::new()
        };
        complain(&format!(
            "{}: {ended} of {} jobs, {} running{failed}{left}",
            self.name, progress.jobs, progress.running
        ));
    }
}

/// The bar of one run.
fn bar(all: &MultiProgress, runs: &mut [Option<ProgressBar>], event: Event<'_>) {
    match event {
        Event::Step { run, id, stage, progress } => {
            let bar = runs[run].get_or_insert_with(|| {
                let style =
                    ProgressStyle::with_template("  {prefix:22} {wide_bar} {pos}/{len} {msg}")
                        .expect("a valid template");
                all.add(ProgressBar::new(progress.steps).with_style(style))
            });
            bar.set_length(progress.steps);
            bar.set_prefix(format!("{id} {stage}"));
            bar.set_message(format!("{:.0} K", progress.temperature));
            bar.set_position(progress.step);
        }
        Event::RunDone { run, .. } => {
            if let Some(bar) = runs[run].take() {
                bar.finish_and_clear();
                all.remove(&bar);
            }
        }
        Event::Stage { .. } | Event::StageDone { .. } => {}
    }
}
