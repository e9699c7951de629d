//! From fetched mails to the desk: understands a batch on the blocking threads, proves senders, hands over in order
//! of arrival, and waits until each is committed. What fails for one mail's own sake puts that mail into quarantine
//! as it came, and no other.

use std::sync::Arc;

use super::poll::{Poller, policy_of};
use super::prepare::Incoming;
use crate::desk::DeskError;
use crate::desk::receive::{Arrived, Became, Receive};
use crate::desk::register::Lease;
use crate::store::StoreError;

impl Poller {
    /// Takes the mails in, one answer for each. An error means that the register is unavailable or the mailbox was
    /// taken over: nothing is wrong with the mail.
    pub(super) async fn hand_over(
        &self,
        lease: &Lease,
        incoming: Vec<Incoming>,
    ) -> Result<Vec<Result<Became, DeskError>>, DeskError> {
        let (policy, shared) = (policy_of(&self.settings), Arc::clone(&self.shared));
        let mut mails = self.preparation.prepare_all(incoming, policy, shared, self.workers).await;
        if let Some(prover) = &self.prover {
            mails = prover.prove(mails, self.shared.now()).await;
        }
        let mails: Vec<Arc<Arrived>> = mails.into_iter().map(Arc::new).collect();
        let mut waiting = Vec::with_capacity(mails.len());
        for arrived in &mails {
            waiting.push(self.desk.submit(self.receive(lease, arrived, false)).await?);
        }
        let mut became = Vec::with_capacity(mails.len());
        for (arrived, answer) in mails.iter().zip(waiting) {
            let answer = match answer.await.unwrap_or_else(|_| Err(stopping())) {
                Err(error) if is_its_own_fault(&error) => {
                    tracing::error!(
                        mailbox = self.settings.name,
                        uid = arrived.place.map(|place| place.uid),
                        "this mail could not be taken in; it goes into quarantine as it came"
                    );
                    self.desk.run(self.receive(lease, arrived, true)).await
                }
                answer => answer,
            };
            became.push(answer);
        }
        Ok(became)
    }

    fn receive(&self, lease: &Lease, arrived: &Arc<Arrived>, bare: bool) -> Receive {
        Receive { arrived: Arc::clone(arrived), lease: Some(lease.clone()), bare }
    }
}

/// Whether another mail might fare better: the database works, and this is not somebody else's mailbox now.
fn is_its_own_fault(error: &DeskError) -> bool {
    match error {
        DeskError::Store(StoreError::Query(_) | StoreError::Sealed(_)) => true,
        DeskError::Store(_) | DeskError::Refused(_) => false,
        DeskError::NotFound | DeskError::Conflict | DeskError::Invalid(_) => true,
    }
}

fn stopping() -> DeskError {
    StoreError::Unavailable("the daemon is stopping".into()).into()
}
