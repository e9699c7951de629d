//! Who has a part in a case: adding somebody so that they can be written to, and confirming their other addresses.

use super::answer::check_version;
use super::context::{Context, DeskError};
use super::filing::NewParty;
use super::runner::Action;
use crate::case::access::Access;
use crate::case::{Actor, CaseId, Part, PartyId};
use crate::store::rows::{CaseRow, PartyAddressRow};
use crate::vault::Record;

/// Adds a party to a case, so that they can be written to.
pub struct AddParty {
    pub actor: Actor,
    pub case: CaseId,
    pub version: Option<i64>,
    pub part: Part,
    pub name: String,
    pub email: Option<String>,
}

impl Action for AddParty {
    type Output = (CaseRow, PartyId);

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "party.add"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Self::Output, DeskError> {
        let mut case = cx.case_for(&self.actor, self.case, Access::Work)?;
        check_version(&case, self.version)?;
        let address = self.email.as_deref().map(checked_address).transpose()?;
        let name = crate::mail::clean::line(&self.name);
        let party =
            NewParty { part: self.part, person: None, name: &name, address, confirmed: address.is_some() };
        let mailbox = match cx.tx.conversation_by_reference(case.reference)? {
            Some(conversation) => conversation.mailbox,
            None => cx.mailbox("")?.name.clone(),
        };
        cx.advance(&mut case)?;
        let conversation = cx.add_party(&case, &party, "", &mailbox)?;
        let details = serde_json::json!({ "party": conversation.party_id.to_string(), "part": self.part });
        cx.record(&self.actor, "party.added", Some(&case), &details)?;
        Ok((case, conversation.party_id))
    }
}

/// Adds an address of a party, or confirms one that was seen: mail from there is theirs from now on.
pub struct AddAddress {
    pub actor: Actor,
    pub case: CaseId,
    pub version: Option<i64>,
    pub party: PartyId,
    pub email: String,
    /// They are written to there from now on.
    pub preferred: bool,
}

impl Action for AddAddress {
    type Output = (CaseRow, PartyId);

    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn name(&self) -> &'static str {
        "party.address"
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<Self::Output, DeskError> {
        let mut case = cx.case_for(&self.actor, self.case, Access::Work)?;
        check_version(&case, self.version)?;
        let party =
            cx.tx.party(self.party)?.filter(|party| party.case_id == case.id).ok_or(DeskError::NotFound)?;
        let address = checked_address(&self.email)?;
        let hash = cx.vault().lookup().address(address);
        let known = cx.tx.addresses_of(party.id)?;
        let preferred = self.preferred || known.is_empty();
        if preferred {
            for other in known.iter().filter(|other| other.preferred && other.hash != hash) {
                cx.tx.update_party_address(&PartyAddressRow { preferred: false, ..other.clone() })?;
            }
        }
        match known.into_iter().find(|one| one.hash == hash) {
            Some(one) => {
                let preferred = preferred || one.preferred;
                cx.tx.update_party_address(&PartyAddressRow { confirmed: true, preferred, ..one })?;
            }
            None => {
                let scope = cx.scope(case.id.as_bytes())?;
                let record = Record::open(&scope, "parties", party.id.as_bytes(), &party.key)?;
                cx.tx.insert_party_address(&PartyAddressRow {
                    party_id: party.id,
                    hash,
                    case_id: case.id,
                    confirmed: true,
                    preferred,
                    address: record.seal("address", address.as_bytes())?,
                })?;
            }
        }
        cx.advance(&mut case)?;
        let details = serde_json::json!({ "party": party.id.to_string(), "preferred": preferred });
        cx.record(&self.actor, "party.address-confirmed", Some(&case), &details)?;
        Ok((case, party.id))
    }
}

/// An address that mail can be sent to: a dot-atom at a host name (RFC 5321, without quotes and literals).
pub(super) fn checked_address(address: &str) -> Result<&str, DeskError> {
    let atom = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    address
        .rsplit_once('@')
        .filter(|(local, host)| {
            (1..=64).contains(&local.len())
                && local.chars().all(atom)
                && host.contains('.')
                && host.split('.').all(label)
        })
        .and_then(|_| crate::mail::compose::checked_address(address))
        .map(|_| address)
        .ok_or_else(|| DeskError::Invalid("this is no e-mail address; it reads name@company.example".into()))
}
