//! Runs actions: one savepoint each, committed in groups of what is waiting, retried one by one when a group fails.
//! Threads of its own; async code enters by [`Desk::run`] alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::context::{Context, DeskError, Shared};
use crate::case::Actor;
use crate::store::{RECONNECT_AFTER, Store, StoreError, Writer};

/// The largest group that is committed at once.
const GROUP: usize = 50;

/// Something that changes the register. It may run more than once; only one run is ever committed.
pub trait Action: Send + 'static {
    type Output: Send + 'static;

    /// Who does it; for the entry that a refusal leaves.
    fn actor(&self) -> &Actor;
    /// A dotted word for the audit log.
    fn name(&self) -> &'static str;

    /// May this actor do it → change → audit entry → mail into the outbox. Never commits.
    ///
    /// # Errors
    /// Any error undoes all that was done here.
    fn run(&self, cx: &mut Context<'_>) -> Result<Self::Output, DeskError>;

    /// Whether the audit log must tell of it. An action that wrote no entry itself is then entered by its name.
    /// False for book-keeping that has an account of its own: leases, the outbox's tries, the mail register.
    fn leaves_entry(&self) -> bool {
        true
    }

    /// Told when the outcome is committed, for the log.
    fn committed(&self, _outcome: &Self::Output) {}
}

/// Where changes are asked for. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    queue: mpsc::Sender<Box<dyn Job>>,
}

/// The desk's threads; they end when every [`Desk`] is dropped and the queue is empty.
pub struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until all that was asked is committed.
    pub fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("a desk thread ended by a panic");
            }
        }
    }
}

impl Desk {
    /// Actions that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Starts the runner's threads.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn start(store: &Store, shared: &Arc<Shared>) -> Result<(Self, Threads), StoreError> {
        let (queue, jobs) = mpsc::channel::<Box<dyn Job>>(1_000);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        for _ in 0..store.writers() {
            let (writer, jobs, shared) = (store.writer()?, Arc::clone(&jobs), Arc::clone(shared));
            let thread =
                std::thread::Builder::new().name("desk".into()).spawn(move || serve(writer, &jobs, &shared));
            threads.push(
                thread
                    .map_err(|error| StoreError::Unusable(format!("no thread could be started: {error}")))?,
            );
        }
        Ok((Self { queue }, Threads(threads)))
    }

    /// Runs `action` and returns when it is committed.
    ///
    /// # Errors
    /// What the action returned, or that the register is unavailable.
    pub async fn run<A: Action>(&self, action: A) -> Result<A::Output, DeskError> {
        self.submit(action).await?.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Queues `action` and returns at once; the receiver tells when it is committed. Actions are run in the order
    /// of submission.
    ///
    /// # Errors
    /// When the desk has stopped.
    pub async fn submit<A: Action>(
        &self,
        action: A,
    ) -> Result<oneshot::Receiver<Result<A::Output, DeskError>>, DeskError> {
        let (reply, answer) = oneshot::channel();
        let job = Waiting { action, outcome: None, reply: Some(reply) };
        self.queue.send(Box::new(job)).await.map_err(|_| stopped())?;
        Ok(answer)
    }
}

fn stopped() -> DeskError {
    StoreError::Unavailable("the daemon is stopping".into()).into()
}

/// An action with its waiter, its types hidden.
trait Job: Send {
    /// Runs within the open savepoint; true when it is to be kept.
    fn attempt(&mut self, cx: &mut Context<'_>) -> bool;
    /// The entry that a refusal leaves; written after its savepoint was rolled back.
    fn record_refusal(&mut self, cx: &mut Context<'_>) -> Result<(), DeskError>;
    /// Whether the failure is the database's own, so that the whole group must be tried again.
    fn failed_by_store(&self) -> bool;
    fn answer(self: Box<Self>);
    fn fail(self: Box<Self>, error: DeskError);
}

struct Waiting<A: Action> {
    action: A,
    outcome: Option<Result<A::Output, DeskError>>,
    reply: Option<oneshot::Sender<Result<A::Output, DeskError>>>,
}

impl<A: Action> Job for Waiting<A> {
    fn attempt(&mut self, cx: &mut Context<'_>) -> bool {
        let action = &self.action;
        let outcome = catch_unwind(AssertUnwindSafe(|| run_recorded(action, cx)))
            .unwrap_or_else(|_| Err(DeskError::Invalid("this failed inside; the log has the place".into())));
        let keep = outcome.is_ok();
        if let Err(DeskError::Store(error)) = &outcome {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(action = action.name(), %error, source, "an action failed at the database");
            note(error, cx.shared);
        }
        self.outcome = Some(outcome);
        keep
    }

    fn record_refusal(&mut self, cx: &mut Context<'_>) -> Result<(), DeskError> {
        if !matches!(self.outcome, Some(Err(DeskError::Refused(_) | DeskError::NotFound)))
            || self.action.actor().user_id().is_none()
        {
            return Ok(());
        }
        let action = format!("{}.refused", self.action.name());
        // The case may have been opened by the action itself, and is gone with it.
        let case = match cx.asked {
            Some(id) => cx.tx.case(id)?.map(|case| case.id),
            None => None,
        };
        let why = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).map(ToString::to_string);
        cx.note(self.action.actor(), &action, case, &serde_json::json!({ "why": why }))
    }

    fn failed_by_store(&self) -> bool {
        matches!(self.outcome, Some(Err(DeskError::Store(_))))
    }

    fn answer(mut self: Box<Self>) {
        let outcome = self.outcome.take().unwrap_or_else(|| Err(stopped()));
        if let Ok(outcome) = &outcome {
            self.action.committed(outcome);
        }
        if let Some(reply) = self.reply.take()
            && reply.send(outcome).is_err()
        {
            tracing::trace!("nobody waits for this action any more");
        }
    }

    fn fail(mut self: Box<Self>, error: DeskError) {
        // What the action itself ran into says more than that its group was rolled back.
        if !self.failed_by_store() {
            self.outcome = Some(Err(error));
        }
        self.answer();
    }
}

fn run_recorded<A: Action>(action: &A, cx: &mut Context<'_>) -> Result<A::Output, DeskError> {
    let output = action.run(cx)?;
    if cx.recorded == 0 && action.leaves_entry() {
        cx.note(action.actor(), action.name(), None, &serde_json::json!({}))?;
    }
    Ok(output)
}

fn serve(mut writer: Writer, jobs: &Mutex<mpsc::Receiver<Box<dyn Job>>>, shared: &Shared) {
    loop {
        let Some(mut group) = next_group(jobs) else { return };
        if commit(&mut writer, &mut group, shared).is_ok() {
            group.into_iter().for_each(Job::answer);
        } else {
            one_by_one(&mut writer, group, shared);
        }
    }
}

/// Waits for one job and takes what else is waiting already; never waits for more.
fn next_group(jobs: &Mutex<mpsc::Receiver<Box<dyn Job>>>) -> Option<Vec<Box<dyn Job>>> {
    let mut jobs = jobs.lock().ok()?;
    let mut group = vec![jobs.blocking_recv()?];
    while group.len() < GROUP {
        match jobs.try_recv() {
            Ok(job) => group.push(job),
            Err(_) => break,
        }
    }
    Some(group)
}

fn one_by_one(writer: &mut Writer, group: Vec<Box<dyn Job>>, shared: &Shared) {
    for job in group {
        let mut alone = [job];
        let mut done = commit(writer, &mut alone, shared);
        if let Err(DeskError::Store(
            StoreError::Unavailable(_) | StoreError::Unwritable(_) | StoreError::Query(_),
        )) = &done
        {
            std::thread::sleep(RECONNECT_AFTER);
            done =
                writer.reconnect().map_err(DeskError::from).and_then(|()| commit(writer, &mut alone, shared));
        }
        let [job] = alone;
        match done {
            Ok(()) => job.answer(),
            // Its own error says more than that its group failed.
            Err(_) if job.failed_by_store() => job.answer(),
            Err(error) => job.fail(error),
        }
    }
}

fn commit(writer: &mut Writer, group: &mut [Box<dyn Job>], shared: &Shared) -> Result<(), DeskError> {
    let settings = shared.settings();
    let begun = std::time::Instant::now();
    writer.tx().begin_write().inspect_err(|error| note(error, shared))?;
    let done = run_group(writer, group, shared, &settings);
    let finished = match done {
        Ok(()) => writer.tx().commit().map_err(DeskError::from),
        Err(error) => Err(error),
    };
    shared.committed.notify_one();
    if let Err(error) = finished {
        shared.meter.rolled_back();
        if let DeskError::Store(error) = &error {
            note(error, shared);
        }
        tracing::warn!(%error, source = ?std::error::Error::source(&error).map(ToString::to_string), actions = group.len(), "a group was rolled back");
        if writer.tx().rollback().is_err() {
            tracing::debug!("the connection is gone; it is opened anew");
        }
        return Err(error);
    }
    shared.meter.committed(group.len(), begun.elapsed());
    Ok(())
}

/// Health must show that nothing can be written, also while reading goes on.
fn note(error: &StoreError, shared: &Shared) {
    if matches!(error, StoreError::Unwritable(_) | StoreError::Damaged) {
        shared.meter.unwritable();
    }
}

fn run_group(
    writer: &mut Writer,
    group: &mut [Box<dyn Job>],
    shared: &Shared,
    settings: &crate::settings::Settings,
) -> Result<(), DeskError> {
    for job in group {
        writer.tx().savepoint()?;
        let (now, asked, recorded) = (shared.now(), None, 0);
        let mut cx = Context { tx: writer.tx(), shared, settings, now, asked, recorded };
        if job.attempt(&mut cx) {
            cx.tx.release()?;
            continue;
        }
        if job.failed_by_store() {
            return Err(
                StoreError::Unavailable("the register did not take the change; try again".into()).into()
            );
        }
        cx.tx.rollback_to_savepoint()?;
        job.record_refusal(&mut cx)?;
    }
    Ok(())
}
