//! Slurm's commands and what they print.

use crate::jobs::JobError;
use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Elements of an array where the cluster does not say: Slurm's own default of `MaxArraySize` is 1001, and the
/// largest index is one less.
const ARRAY: usize = 1001;

/// What the queue said last about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) state: String,
    pub(crate) reason: String,
    /// As Slurm's commands take it, "123" or "123_4".
    pub(crate) number: String,
    pub(crate) node: String,
}

/// A job of ours: its own name, and which element of an array of that name it is.
pub(crate) type Key = (String, Option<u32>);

/// What `sbatch` made of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The number, if it said one.
    Accepted(String),
    /// Certainly not accepted.
    Refused(String),
    /// The controller did not answer, or `sbatch` was killed: nothing is decided.
    Silent,
    /// Words that are neither: only the queue can tell whether it has the job.
    Unclear(String),
}

/// Hands a script over; `command` is `sbatch`.
///
/// # Errors
/// There is no such command.
pub(super) fn submit(command: &str, arguments: &[&str]) -> Result<Answer, JobError> {
    match slurm(command, arguments) {
        Ok(said) => {
            let number = said.trim().split(';').next().unwrap_or("");
            Ok(Answer::Accepted(number.to_owned()))
        }
        Err(JobError::Silent { .. }) => Ok(Answer::Silent),
        Err(JobError::Scheduler { message, .. }) if is_refusal(&message) => {
            Ok(Answer::Refused(message))
        }
        Err(JobError::Scheduler { message, .. }) => Ok(Answer::Unclear(message)),
        Err(error) => Err(error),
    }
}

/// Runs a command of Slurm and returns what it printed.
pub(super) fn slurm(command: &str, arguments: &[&str]) -> Result<String, JobError> {
    let command_line = format!("{command} {}", arguments.join(" "));
    let output = Command::new(command)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        // Ctrl-C is for us: an `sbatch` that it kills may have been heard already
        .process_group(0)
        .output()
        .map_err(JobError::os(Path::new(command), "start"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.signal().is_some() || message.is_empty() {
        let message = format!("{} {message}", output.status).trim().to_owned();
        return Err(JobError::Silent { command: command_line, message });
    }
    if is_silence(&message) {
        return Err(JobError::Silent { command: command_line, message });
    }
    Err(JobError::Scheduler { command: command_line, message })
}

/// The controller did not answer: nothing is decided.
fn is_silence(message: &str) -> bool {
    [
        "Unable to contact",
        "Socket timed out",
        "authentication error",
        "Munge encode",
        "try again later",
        "temporarily unable",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Words of `sbatch`, and of the controller through it, after which there is no job. Others may come after the
/// controller has taken it.
const REFUSALS: [&str; 31] = [
    "access/permission denied",
    "association limit",
    "batch script",
    "group not permitted",
    "invalid account",
    "invalid cluster",
    "invalid feature",
    "invalid generic resource",
    "invalid job array",
    "invalid license",
    "invalid node name",
    "invalid partition",
    "invalid qos",
    "invalid reservation",
    "invalid time limit",
    "invalid trackable resource",
    "invalid user id",
    "invalid wckey",
    "job array index",
    "job size specification",
    "job violates accounting/qos policy",
    "memory required by task is not available",
    "memory specification can not be satisfied",
    "more processors requested than permitted",
    "node count specification invalid",
    "requested node configuration is not available",
    "requested partition configuration not available",
    "requested reservation is invalid",
    "requested time limit is invalid",
    "sbatch --help",
    "unrecognized option",
];

fn is_refusal(message: &str) -> bool {
    let message = message.to_lowercase();
    REFUSALS.iter().any(|words| message.contains(words))
}

/// Everything of ours that the queue knows.
pub(crate) fn queue() -> Result<BTreeMap<Key, Known>, JobError> {
    // -r: a line for every element of an array, those that wait included
    let arguments = ["-h", "-r", "-t", "all", "--me", "-o", "%i|%T|%j|%K|%N|%r"];
    Ok(parse_queue(&slurm("squeue", &arguments)?))
}

fn parse_queue(text: &str) -> BTreeMap<Key, Known> {
    let line = |line: &str| {
        let mut words = line.splitn(6, '|').map(str::trim);
        let (number, state, name) = (words.next()?, words.next()?, words.next()?);
        let index = words.next()?.parse().ok();
        let (node, reason) = (words.next()?, words.next()?);
        let known = Known {
            state: state.to_owned(),
            reason: reason.to_owned(),
            number: number.to_owned(),
            node: node.to_owned(),
        };
        Some(((name.to_owned(), index), known))
    };
    text.lines().filter_map(line).collect()
}

/// Most elements of an array here, at least one.
pub(super) fn most_elements() -> Result<usize, JobError> {
    Ok(parse_array_size(&slurm("scontrol", &["show", "config"])?))
}

fn parse_array_size(text: &str) -> usize {
    let size = text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "MaxArraySize").then(|| value.trim().parse::<usize>().ok())?
    });
    // indices stay below it: from 0 on there are as many; 0 means that there are no arrays
    size.unwrap_or(ARRAY).max(1)
}

/// What the user may do about a refusal of `sbatch`.
pub(super) fn advice(message: &str) -> String {
    let has = |words: &str| message.to_lowercase().contains(words);
    if has("partition") && !has("policy") {
        let known = slurm("sinfo", &["-h", "-o", "%R"]).unwrap_or_default();
        let known: Vec<&str> = known.lines().map(str::trim).collect();
        if known.is_empty() {
            return "; check `partition`".to_owned();
        }
        return format!("; check `partition`: there is {}", known.join(", "));
    }
    let text = if has("account") && !has("policy") {
        "; check `account`"
    } else if has("policy") || has("submit limit") {
        "; a limit of the cluster: lower `most_jobs` (jobs in the queue at a time), `walltime` or the cores of \
         a job"
    } else if has("node configuration") || has("processors") {
        "; no node is like that: check cores, `memory_per_core_mb` and `options`"
    } else if has("time limit") {
        "; check `walltime`"
    } else {
        ""
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_arrays_and_jobs_are_told_apart() {
        // squeue of Slurm 22.05 with -r: an array of which one runs, one waits and one is over, and a job
        let text = "17_0|RUNNING|vitrion-a|0|node3|None\n17_1|PENDING|vitrion-a|1||JobArrayTaskLimit\n\
                    17_2|CANCELLED|vitrion-a|2|node3|None\n18|NODE_FAIL|vitrion-b|N/A|node[3-4]|NodeDown\n\
                    19|PENDING|mine|N/A||(Nodes required for job are DOWN, DRAINED | reserved)\nrubbish\n";
        let found = parse_queue(text);
        assert_eq!(found.len(), 5);
        let of = |name: &str, index| &found[&(name.to_owned(), index)];
        assert_eq!(of("vitrion-a", Some(0)).node, "node3");
        assert_eq!(of("vitrion-a", Some(1)).reason, "JobArrayTaskLimit");
        assert_eq!(of("vitrion-a", Some(2)).number, "17_2");
        assert_eq!(of("vitrion-b", None).state, "NODE_FAIL");
        assert!(of("mine", None).reason.ends_with("DRAINED | reserved)"));
    }

    #[test]
    fn the_size_of_arrays_is_that_of_the_cluster() {
        let text = |value: &str| {
            format!("Configuration data\nMaxArrayX = 9\nMaxArraySize            = {value}\n")
        };
        assert_eq!(parse_array_size(&text("1001")), 1001);
        assert_eq!(parse_array_size(&text("0")), 1, "no arrays");
        assert_eq!(parse_array_size("nothing of the kind"), 1001);
    }

    #[test]
    fn silence_is_told_from_refusal() {
        for message in [
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
            "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        ] {
            assert!(is_silence(message), "{message}");
        }
        for message in [
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
            "sbatch: error: invalid partition specified: short\nsbatch: error: Batch job submission failed: Invalid \
             partition name specified",
            "sbatch: error: Batch job submission failed: Invalid qos specification",
            "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some \
             limit)",
            "sbatch: error: Batch job submission failed: Memory required by task is not available",
            "sbatch: error: Batch job submission failed: Invalid job array specification",
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, \
             user's size and/or time limits)",
            "sbatch: unrecognized option '--gpu'\nTry \"sbatch --help\" for more information",
        ] {
            assert!(is_refusal(message) && !is_silence(message), "{message}");
        }
        assert!(advice("Job violates accounting/QOS policy").contains("most_jobs"));
        assert!(advice("Requested node configuration is not available").contains("cores"));
    }

    #[test]
    fn only_a_known_refusal_means_that_there_is_no_job() {
        // bash in place of sbatch
        let answer = |script: &str| submit("bash", &["-c", script]).expect("bash");
        assert_eq!(answer("echo '17;cluster'"), Answer::Accepted("17".into()));
        assert_eq!(answer("kill -INT $$; sleep 9"), Answer::Silent);
        assert_eq!(answer("echo 'Invalid qos' >&2; kill -KILL $$"), Answer::Silent);
        assert_eq!(answer("exit 1"), Answer::Silent);
        assert_eq!(
            answer("echo 'Invalid qos specification' >&2; exit 1"),
            Answer::Refused("Invalid qos specification".into())
        );
        for words in ["Unspecified error", "Zero Bytes were transmitted or received"] {
            let said = answer(&format!("echo '{words}' >&2; exit 1"));
            assert_eq!(said, Answer::Unclear(words.into()));
        }
        assert!(submit("no-such-sbatch", &[]).is_err());
    }
}
