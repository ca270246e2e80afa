//! What Slurm's states mean for a job; the table is in the book, `guide/queue.md`.

use super::commands::Known;
use crate::jobs::End;

/// Where a job stands by a line of `squeue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Waiting,
    /// It will never start.
    InVain,
    Running,
    Ended(End),
}

/// Reasons for which a job waits in vain.
const NEVER: [&str; 5] = [
    "PartitionConfig",
    "PartitionTimeLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "AccountNotAllowed",
];

/// What a state with its reason means.
pub(crate) fn meaning(known: &Known) -> Meaning {
    match known.state.as_str() {
        "PENDING" if NEVER.contains(&known.reason.as_str()) => Meaning::InVain,
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED"
        | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => Meaning::Waiting,
        "NODE_FAIL" | "BOOT_FAIL" => Meaning::Ended(End::Machine),
        // the shell or the node failed, not the program
        "COMPLETED" | "FAILED" if known.reason == "JobLaunchFailure" => {
            Meaning::Ended(End::Machine)
        }
        "COMPLETED" | "FAILED" | "CANCELLED" | "REVOKED" => Meaning::Ended(End::Exit),
        "OUT_OF_MEMORY" => Meaning::Ended(End::Hopeless),
        "TIMEOUT" | "DEADLINE" | "PREEMPTED" => Meaning::Ended(End::Requeue),
        // RUNNING, SUSPENDED, STOPPED, SIGNALING, STAGE_OUT, COMPLETING, and words of other versions: wait for
        // one we know
        _ => Meaning::Running,
    }
}

/// The state in words, with what to do about it.
pub(crate) fn described(known: &Known) -> String {
    let place = match known.node.as_str() {
        "" | "None assigned" => String::new(),
        node => format!(" on {node}"),
    };
    let hint = match known.state.as_str() {
        "OUT_OF_MEMORY" => "; give it more: memory_per_core_mb or more cores in [scheduler]",
        "CANCELLED" => "; somebody cancelled it (scancel)",
        "NODE_FAIL" | "BOOT_FAIL" => {
            "; if this node fails again and again, leave it out: options = [\"--exclude=NODE\"] in [scheduler]"
        }
        "FAILED" if known.reason == "JobLaunchFailure" => {
            "; the node could not start it: leave it out with options = [\"--exclude=NODE\"] in [scheduler]"
        }
        _ => "",
    };
    format!("Slurm job {}: {} ({}){place}{hint}", known.number, known.state, known.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(state: &str, reason: &str) -> Known {
        Known {
            state: state.into(),
            reason: reason.into(),
            number: "5_1".into(),
            node: "node3".into(),
        }
    }

    #[test]
    fn every_state_is_handled_as_the_table_says() {
        let cases = [
            ("PENDING", "Resources", Meaning::Waiting),
            ("PENDING", "PartitionTimeLimit", Meaning::InVain),
            ("RUNNING", "None", Meaning::Running),
            ("COMPLETING", "None", Meaning::Running),
            ("A_NEW_WORD", "None", Meaning::Running),
            ("COMPLETED", "None", Meaning::Ended(End::Exit)),
            ("FAILED", "NonZeroExitCode", Meaning::Ended(End::Exit)),
            ("FAILED", "JobLaunchFailure", Meaning::Ended(End::Machine)),
            ("CANCELLED", "None", Meaning::Ended(End::Exit)),
            ("TIMEOUT", "TimeLimit", Meaning::Ended(End::Requeue)),
            ("PREEMPTED", "None", Meaning::Ended(End::Requeue)),
            ("NODE_FAIL", "NodeDown", Meaning::Ended(End::Machine)),
            ("OUT_OF_MEMORY", "OutOfMemory", Meaning::Ended(End::Hopeless)),
        ];
        for (state, reason, expected) in cases {
            assert_eq!(meaning(&known(state, reason)), expected, "{state} ({reason})");
        }
        let text = described(&known("OUT_OF_MEMORY", "OutOfMemory"));
        assert!(text.contains("5_1") && text.contains("on node3"), "{text}");
        assert!(text.contains("memory_per_core_mb"), "{text}");
    }
}
