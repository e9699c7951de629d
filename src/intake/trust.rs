//! Who a mail is from, and how far that is known. A header claims; only what was proved counts (promise 8).

use crate::case::Trust;
use crate::mail::{AuthResult, Mail};
use crate::store::rows::PersonRow;
use crate::store::{StoreError, Tx};
use crate::vault::{Lookup, LookupHash};

/// The sender of a mail.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Of the From address.
    pub hash: Option<LookupHash>,
    pub trust: Trust,
    /// Who the address belongs to, if the mail is authenticated and the address is one person's alone.
    pub person: Option<PersonRow>,
}

/// Looks the From address up.
pub fn sender(tx: &mut dyn Tx, lookup: &Lookup, mail: &Mail) -> Result<Sender, StoreError> {
    let Some(from) = &mail.from else {
        return Ok(Sender { hash: None, trust: Trust::Stranger, person: None });
    };
    let hash = lookup.address(&from.address);
    let mut people = tx.people_by_address(hash)?;
    people.retain(|(person, _)| person.active);
    let proved = mail.authentication.result == AuthResult::Pass;
    let listed = !people.is_empty();
    let person = match people.as_slice() {
        [(person, _)] if proved => Some(person.clone()),
        _ => None,
    };
    let trust = match (proved, listed) {
        (true, true) => Trust::Employee,
        (true, false) if tx.address_is_known(hash)? => Trust::Known,
        (false, true) => Trust::Unverified,
        (false, false) if tx.address_is_known(hash)? => Trust::Unverified,
        _ => Trust::Stranger,
    };
    Ok(Sender { hash: Some(hash), trust, person })
}
