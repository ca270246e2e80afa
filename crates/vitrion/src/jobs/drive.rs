//! Many jobs through one scheduler: who may start, who must start again, who has failed.

use super::events::{self, Event};
use super::{End, Job, JobError, LOG, STOPPED, Scheduler, State};
use crate::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How patient the driver is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drive {
    /// Starts of a job that ends by itself without being done, in all.
    pub attempts: usize,
    /// Times a job may be lost or requeued on top of that.
    pub requeues: usize,
    /// Times its machine may fail on top of that.
    pub machines: usize,
    /// Between two looks.
    pub look: Duration,
    /// How long a scheduler may be out of reach.
    pub patience: Duration,
    /// Come back as soon as the scheduler has all the jobs it has room for. As such calls follow each other, the
    /// attempts are those of all of them, and a job that was given up is left alone.
    pub detach: bool,
}

impl Default for Drive {
    fn default() -> Self {
        Drive {
            attempts: 2,
            requeues: 100,
            machines: 10,
            look: Duration::from_millis(50),
            patience: Duration::from_hours(24),
            detach: false,
        }
    }
}

/// How far all jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub running: usize,
    pub failed: usize,
    pub jobs: usize,
}

/// A job that will not be started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub name: String,
    pub folder: PathBuf,
    pub message: String,
}

/// How the jobs ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub failed: Vec<Failed>,
    /// Starts after the first.
    pub restarts: usize,
    /// Jobs that go on, or wait, without us.
    pub left: usize,
    /// Stopped on request; the rest is not done.
    pub interrupted: bool,
}

impl Report {
    /// Nothing, if all jobs are done; `what` are they, for messages, and `resume` goes on with them.
    ///
    /// # Errors
    /// Jobs that failed, or that go on without us.
    pub fn all_done(&self, of: usize, what: &str, resume: &str) -> Result<(), Error> {
        if let Some(first) = self.failed.first() {
            return Err(Error::FailedJobs(format!(
                "{} of {of} {what} failed, the first: {}: {} (see {}); mend the cause and go on with: {resume}{}",
                self.failed.len(),
                first.name,
                first.message,
                first.folder.join(LOG).display(),
                match self.left {
                    0 => String::new(),
                    left => format!(" ({left} others are with the queue)"),
                },
            )));
        }
        if self.left > 0 {
            return Err(Error::Queued { jobs: self.left, resume: resume.to_owned() });
        }
        Ok(())
    }
}

/// One job on its way.
struct Way<'a> {
    job: &'a Job,
    step: Step,
    starts: usize,
    requeues: usize,
    machines: usize,
}

/// How far a job is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// To be handed over, for the first time or again.
    Due,
    /// The scheduler has not said yet that it has it.
    HandedOver,
    Waiting,
    Running,
    /// Done or given up.
    Ended,
}

/// Runs all jobs, in order as far as there is room. Jobs that are done are not started; a job that ended
/// without being done is started again while its attempts last.
///
/// # Errors
/// The scheduler refuses, or is out of reach for too long.
pub fn drive(
    scheduler: &mut dyn Scheduler,
    jobs: &[Job],
    patience: &Drive,
    watch: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<Report, JobError> {
    let mut report = Report { failed: Vec::new(), restarts: 0, left: 0, interrupted: false };
    let mut ways: Vec<Way<'_>> = jobs.iter().map(Way::new).collect();
    if patience.detach {
        for way in &mut ways {
            way.recall(&mut report);
        }
    }
    let mut silent_since: Option<Instant> = None;
    let mut told = None;
    loop {
        let mut silent = None;
        let full = match hand_over(scheduler, &mut ways, &mut report) {
            Ok(full) => full,
            Err(error @ JobError::Silent { .. }) => {
                silent = Some(error);
                false
            }
            Err(error) => return Err(error),
        };
        for way in ways.iter_mut().filter(|way| !matches!(way.step, Step::Due | Step::Ended)) {
            match scheduler.state(way.job) {
                Ok(state) => way.take(state, patience, &mut report),
                // nothing is known now, which is not the same as lost
                Err(error @ JobError::Silent { .. }) => silent = Some(error),
                Err(error) => return Err(error),
            }
        }
        match silent {
            None => silent_since = None,
            Some(error) => {
                if silent_since.get_or_insert_with(Instant::now).elapsed() > patience.patience {
                    return Err(error);
                }
            }
        }
        let progress = Progress {
            done: count(&ways, Step::Ended) - report.failed.len(),
            running: count(&ways, Step::Running),
            failed: report.failed.len(),
            jobs: jobs.len(),
        };
        if told != Some(progress) {
            watch(progress);
            told = Some(progress);
        }
        report.left = jobs.len() - count(&ways, Step::Ended);
        if report.left == 0 {
            return Ok(report);
        }
        if stop.load(Ordering::Relaxed) {
            scheduler.leave();
            report.interrupted = true;
            return Ok(report);
        }
        let settled = count(&ways, Step::HandedOver) == 0 && (full || count(&ways, Step::Due) == 0);
        if patience.detach && settled {
            return Ok(report);
        }
        std::thread::sleep(patience.look);
    }
}

fn count(ways: &[Way<'_>], step: Step) -> usize {
    ways.iter().filter(|way| way.step == step).count()
}

/// Hands over as many jobs as there is room for; whether some had to stay behind.
fn hand_over(
    scheduler: &mut dyn Scheduler,
    ways: &mut [Way<'_>],
    report: &mut Report,
) -> Result<bool, JobError> {
    let waiting: Vec<&Job> =
        ways.iter().filter(|way| way.step == Step::Due).map(|way| way.job).collect();
    let room = if waiting.is_empty() { 0 } else { scheduler.room(&waiting).min(waiting.len()) };
    if room > 0 {
        scheduler.submit(&waiting[..room])?;
        let due = ways.iter_mut().filter(|way| way.step == Step::Due);
        due.take(room).for_each(|way| way.handed_over(report));
    }
    Ok(room < waiting.len())
}

impl<'a> Way<'a> {
    fn new(job: &'a Job) -> Self {
        Way {
            job,
            step: if job.is_done() { Step::Ended } else { Step::Due },
            starts: 0,
            requeues: 0,
            machines: 0,
        }
    }

    /// Goes on with the attempts of earlier calls.
    fn recall(&mut self, report: &mut Report) {
        if self.step == Step::Ended {
            return;
        }
        let entries = events::of(&self.job.folder);
        if let Some(Event::GivenUp { message }) = entries.last().map(|entry| &entry.event) {
            self.fail(format!("{message}; given up by an earlier call"), report);
            return;
        }
        let since = entries.iter().rposition(|e| matches!(e.event, Event::GivenUp { .. }));
        for entry in &entries[since.map_or(0, |given_up| given_up + 1)..] {
            if let Event::Ended { how, .. } = entry.event {
                self.starts += 1;
                self.requeues += usize::from(matches!(how, End::Requeue | End::Lost));
                self.machines += usize::from(how == End::Machine);
            }
        }
    }

    fn fail(&mut self, message: String, report: &mut Report) {
        self.step = Step::Ended;
        report.failed.push(Failed {
            name: self.job.name.clone(),
            folder: self.job.folder.clone(),
            message,
        });
    }

    fn handed_over(&mut self, report: &mut Report) {
        self.step = Step::HandedOver;
        self.starts += 1;
        report.restarts += usize::from(self.starts > 1);
    }

    fn take(&mut self, state: State, patience: &Drive, report: &mut Report) {
        // what the job left behind counts, whatever the queue says
        if self.job.is_done() && !matches!(state, State::Running) {
            self.step = Step::Ended;
            return;
        }
        let (how, message) = match state {
            // a queue may take a while to show what it has taken
            State::Unknown => return,
            State::Waiting => {
                self.step = Step::Waiting;
                return;
            }
            State::Running => {
                self.step = Step::Running;
                return;
            }
            State::Ended { how, message } => (how, message),
        };
        let how = self.judged(how);
        // it has been heard; a next start that fails at once must not count as told to stop too
        let _ = std::fs::remove_file(self.job.folder.join(STOPPED));
        events::note(&self.job.folder, Event::Ended { how, message: message.clone() });
        let again = match how {
            End::Exit => self.starts - self.requeues - self.machines < patience.attempts,
            End::Requeue | End::Lost => {
                self.requeues += 1;
                self.requeues <= patience.requeues
            }
            End::Machine => {
                self.machines += 1;
                self.machines <= patience.machines
            }
            End::Hopeless => false,
        };
        if again {
            self.step = Step::Due;
            return;
        }
        let log = std::fs::read_to_string(self.job.folder.join(LOG)).unwrap_or_default();
        let last = log.trim().lines().next_back().unwrap_or("it said nothing").to_owned();
        let message = format!("{message} after {} starts; last words: {last}", self.starts);
        events::note(&self.job.folder, Event::GivenUp { message: message.clone() });
        self.fail(message, report);
    }

    /// How it ended, by what it left behind: a job that was told to stop may go on whatever its exit code, and
    /// one that failed while nobody looked is not lost.
    fn judged(&self, how: End) -> End {
        match how {
            End::Exit if self.job.folder.join(STOPPED).exists() => End::Requeue,
            End::Lost if events::has_failed(&self.job.folder) => End::Exit,
            _ => how,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Plays a list of states for each job, and notes who was started.
    struct Scripted {
        states: Vec<VecDeque<Result<State, ()>>>,
        started: Vec<usize>,
        room: usize,
        running: usize,
    }

    fn number(job: &Job) -> usize {
        job.name.parse().expect("a number")
    }

    impl Scheduler for Scripted {
        fn submit(&mut self, jobs: &[&Job]) -> Result<(), JobError> {
            self.started.extend(jobs.iter().map(|job| number(job)));
            self.running += jobs.len();
            assert!(self.running <= self.room, "more jobs than there is room for");
            Ok(())
        }

        fn state(&mut self, job: &Job) -> Result<State, JobError> {
            let next = self.states[number(job)].pop_front().expect("more states");
            if next.is_ok_and_ended() {
                self.running -= 1;
            }
            next.map_err(|()| JobError::Silent { command: "squeue".into(), message: "down".into() })
        }

        fn room(&self, _: &[&Job]) -> usize {
            self.room - self.running
        }

        fn leave(&mut self) {}
    }

    trait Ended {
        fn is_ok_and_ended(&self) -> bool;
    }

    impl Ended for Result<State, ()> {
        fn is_ok_and_ended(&self) -> bool {
            matches!(self, Ok(State::Ended { .. }))
        }
    }

    fn ended(how: End) -> State {
        State::Ended { how, message: "exit code 1".into() }
    }

    #[test]
    fn jobs_that_are_lost_or_out_of_time_start_again_and_silence_is_no_loss() {
        let folder = tempfile::tempdir().expect("a folder");
        let jobs: Vec<Job> = (0..3)
            .map(|k| Job {
                folder: folder.path().join(k.to_string()),
                name: k.to_string(),
                cores: 1,
                ranks: 1,
            })
            .collect();
        for job in &jobs {
            std::fs::create_dir(&job.folder).expect("a folder");
        }
        // job 0 was done in an earlier session; job 1 needs three starts; job 2 never gets there
        std::fs::write(jobs[0].folder.join(super::super::DONE), "{}").expect("written");
        std::fs::write(jobs[2].folder.join(LOG), "starting\nno such basis set\n").expect("written");
        let mut scheduler = Scripted {
            states: vec![
                VecDeque::new(),
                VecDeque::from([
                    Ok(State::Waiting),
                    Err(()),
                    Ok(State::Running),
                    Ok(ended(End::Requeue)),
                    Ok(ended(End::Lost)),
                    Ok(ended(End::Exit)),
                    Ok(ended(End::Exit)),
                ]),
                VecDeque::from([Ok(ended(End::Exit)), Ok(ended(End::Exit))]),
            ],
            started: Vec::new(),
            room: 1,
            running: 0,
        };
        let patience = Drive { look: Duration::ZERO, ..Drive::default() };
        let mut last = None;
        let report = drive(
            &mut scheduler,
            &jobs,
            &patience,
            &mut |progress| last = Some(progress),
            &AtomicBool::new(false),
        )
        .expect("the scheduler answers");
        scheduler.started.sort_unstable();
        assert_eq!(scheduler.started, [1, 1, 1, 1, 2, 2]);
        assert_eq!(report.failed.len(), 2);
        let words: Vec<&str> = report.failed.iter().map(|f| f.message.as_str()).collect();
        assert!(words.iter().any(|w| w.contains("no such basis set")), "{words:?}");
        assert_eq!(report.restarts, 4);
        assert_eq!(last, Some(Progress { done: 1, running: 0, failed: 2, jobs: 3 }));
    }

    fn one_job(states: Vec<Result<State, ()>>) -> (tempfile::TempDir, Vec<Job>, Scripted) {
        let folder = tempfile::tempdir().expect("a folder");
        let job = Job { folder: folder.path().to_owned(), name: "0".into(), cores: 1, ranks: 1 };
        let states = vec![VecDeque::from(states)];
        (folder, vec![job], Scripted { states, started: Vec::new(), room: 1, running: 0 })
    }

    fn driven(jobs: &[Job], scheduler: &mut Scripted, patience: Drive) -> Report {
        let patience = Drive { look: Duration::ZERO, ..patience };
        drive(scheduler, jobs, &patience, &mut |_| {}, &AtomicBool::new(false)).expect("answers")
    }

    #[test]
    fn what_would_end_the_same_way_again_is_given_up_at_once() {
        let (_folder, jobs, mut scheduler) = one_job(vec![Ok(ended(End::Hopeless))]);
        let report = driven(&jobs, &mut scheduler, Drive::default());
        assert_eq!((report.failed.len(), report.restarts), (1, 0));
    }

    #[test]
    fn machines_may_fail_so_often_and_a_job_that_failed_unseen_is_not_lost() {
        let (_folder, jobs, mut scheduler) = one_job(vec![Ok(ended(End::Machine)); 4]);
        let report = driven(&jobs, &mut scheduler, Drive { machines: 3, ..Drive::default() });
        assert_eq!((report.failed.len(), report.restarts), (1, 3));
        // the queue has forgotten it, its folder has not
        let (folder, jobs, mut scheduler) = one_job(vec![Ok(ended(End::Lost))]);
        events::note(folder.path(), Event::Failed { message: "no such model".into() });
        let report = driven(&jobs, &mut scheduler, Drive { attempts: 1, ..Drive::default() });
        assert_eq!((report.failed.len(), report.restarts), (1, 0));
    }

    #[test]
    fn a_driver_that_does_not_stay_leaves_when_the_queue_has_the_jobs() {
        let states = vec![Ok(State::Unknown), Err(()), Ok(ended(End::Requeue)), Ok(State::Waiting)];
        let (_folder, jobs, mut scheduler) = one_job(states);
        let report = driven(&jobs, &mut scheduler, Drive { detach: true, ..Drive::default() });
        assert_eq!((report.left, report.restarts, report.interrupted), (1, 1, false));
    }

    #[test]
    fn calls_that_do_not_stay_share_their_attempts_and_leave_what_was_given_up() {
        let detached = Drive { detach: true, ..Drive::default() };
        // each call finds that the job has ended since the one before
        let call = || vec![Ok(ended(End::Exit)), Ok(State::Waiting)];
        let (_folder, jobs, mut scheduler) = one_job([call(), call()].concat());
        let report = driven(&jobs, &mut scheduler, detached);
        assert_eq!((report.failed.len(), report.left), (0, 1));
        scheduler.running = 0;
        let report = driven(&jobs, &mut scheduler, detached);
        assert_eq!((report.failed.len(), report.left), (1, 0));
        assert!(matches!(report.all_done(1, "runs", "again"), Err(Error::FailedJobs(_))));
        let started = scheduler.started.len();
        let report = driven(&jobs, &mut scheduler, detached);
        assert!(report.failed[0].message.contains("by an earlier call"), "{report:?}");
        assert_eq!(scheduler.started.len(), started, "it is left alone");
        // somebody stays: from the beginning, and so do the calls after it
        scheduler.states[0] = VecDeque::from([Ok(ended(End::Exit)), Ok(ended(End::Exit))]);
        let report = driven(&jobs, &mut scheduler, Drive::default());
        assert_eq!((report.failed.len(), report.restarts), (1, 1));
    }

    #[test]
    fn being_told_to_stop_counts_once() {
        let states = vec![Ok(ended(End::Exit)); 3];
        let (folder, jobs, mut scheduler) = one_job(states);
        std::fs::write(folder.path().join(STOPPED), "").expect("written");
        // the later starts fail before the job itself begins
        let report = driven(&jobs, &mut scheduler, Drive::default());
        assert_eq!((report.failed.len(), report.restarts), (1, 2));
    }
}
