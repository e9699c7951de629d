//! Parties, their addresses, and their conversations.

use diesel::prelude::*;

use super::Conn;
use crate::case::{CaseId, ConversationId, PartyId, PersonId, Reference};
use crate::store::StoreError;
use crate::store::rows::{ConversationRow, PartyAddressRow, PartyRow};
use crate::store::schema::{conversations, parties, party_addresses};
use crate::store::tx::Parties;
use crate::vault::LookupHash;

impl Parties for Conn {
    fn insert_party(&mut self, row: &PartyRow) -> Result<(), StoreError> {
        diesel::insert_into(parties::table).values(row).execute(self)?;
        Ok(())
    }

    fn insert_party_address(&mut self, row: &PartyAddressRow) -> Result<(), StoreError> {
        diesel::insert_into(party_addresses::table).values(row).on_conflict_do_nothing().execute(self)?;
        Ok(())
    }

    fn update_party_address(&mut self, row: &PartyAddressRow) -> Result<(), StoreError> {
        diesel::update(party_addresses::table.find((row.party_id, row.hash)))
            .set((party_addresses::confirmed.eq(row.confirmed), party_addresses::preferred.eq(row.preferred)))
            .execute(self)?;
        Ok(())
    }

    fn parties_of(&mut self, case: CaseId) -> Result<Vec<PartyRow>, StoreError> {
        Ok(parties::table
            .filter(parties::case_id.eq(case))
            .order(parties::id)
            .select(PartyRow::as_select())
            .load(self)?)
    }

    fn party(&mut self, id: PartyId) -> Result<Option<PartyRow>, StoreError> {
        Ok(parties::table.find(id).select(PartyRow::as_select()).first(self).optional()?)
    }

    fn set_party_person(&mut self, id: PartyId, person: PersonId) -> Result<(), StoreError> {
        let unknown = parties::table.find(id).filter(parties::person_id.is_null());
        diesel::update(unknown).set(parties::person_id.eq(person)).execute(self)?;
        Ok(())
    }

    fn addresses_of(&mut self, party: PartyId) -> Result<Vec<PartyAddressRow>, StoreError> {
        Ok(party_addresses::table
            .filter(party_addresses::party_id.eq(party))
            .order((party_addresses::preferred.desc(), party_addresses::hash))
            .select(PartyAddressRow::as_select())
            .load(self)?)
    }

    fn parties_by_address(
        &mut self,
        case: CaseId,
        hash: LookupHash,
    ) -> Result<Vec<PartyAddressRow>, StoreError> {
        Ok(party_addresses::table
            .filter(party_addresses::hash.eq(hash))
            .filter(party_addresses::case_id.eq(case))
            .order(party_addresses::party_id)
            .select(PartyAddressRow::as_select())
            .load(self)?)
    }

    fn address_is_known(&mut self, hash: LookupHash) -> Result<bool, StoreError> {
        let confirmed =
            party_addresses::table.filter(party_addresses::hash.eq(hash)).filter(party_addresses::confirmed);
        Ok(diesel::select(diesel::dsl::exists(confirmed)).get_result(self)?)
    }

    fn insert_conversation(&mut self, row: &ConversationRow) -> Result<(), StoreError> {
        diesel::insert_into(conversations::table).values(row).execute(self)?;
        Ok(())
    }

    fn conversation(&mut self, id: ConversationId) -> Result<Option<ConversationRow>, StoreError> {
        Ok(conversations::table.find(id).select(ConversationRow::as_select()).first(self).optional()?)
    }

    fn conversations_of(&mut self, case: CaseId) -> Result<Vec<ConversationRow>, StoreError> {
        Ok(conversations::table
            .filter(conversations::case_id.eq(case))
            .order(conversations::id)
            .select(ConversationRow::as_select())
            .load(self)?)
    }

    fn conversation_of_party(&mut self, party: PartyId) -> Result<Option<ConversationRow>, StoreError> {
        Ok(conversations::table
            .filter(conversations::party_id.eq(party))
            .order(conversations::id)
            .select(ConversationRow::as_select())
            .first(self)
            .optional()?)
    }

    fn conversation_by_reference(
        &mut self,
        reference: Reference,
    ) -> Result<Option<ConversationRow>, StoreError> {
        Ok(conversations::table
            .filter(conversations::reference.eq(&reference))
            .select(ConversationRow::as_select())
            .first(self)
            .optional()?)
    }
}
