//! The tables, once for both databases: common types only.

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

table! {
    vault_keys (id) {
        id -> Binary,
        purpose -> Text,
        generation -> Integer,
        wrapped -> Binary,
        created_at -> BigInt,
        master -> Integer,
    }
}

table! {
    erasures (id) {
        id -> Binary,
        at -> BigInt,
        journalled -> Bool,
    }
}

table! {
    master_keys (generation) {
        generation -> Integer,
        proof -> Binary,
        other -> Nullable<Binary>,
        created_at -> BigInt,
        copy_verified_at -> Nullable<BigInt>,
    }
}

table! {
    cases (id) {
        id -> Binary,
        reference -> Text,
        version -> BigInt,
        status -> Text,
        category -> Text,
        sensitivity -> Text,
        priority -> Text,
        triage -> Bool,
        team -> Text,
        legal_entity -> Text,
        owner_id -> Nullable<Binary>,
        channel -> Text,
        language -> Text,
        opened_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        next_deadline -> Nullable<BigInt>,
        key -> Binary,
        subject -> Binary,
    }
}

table! {
    case_links (from_case, to_case, kind) {
        from_case -> Binary,
        to_case -> Binary,
        kind -> Text,
        at -> BigInt,
    }
}

table! {
    parties (id) {
        id -> Binary,
        case_id -> Binary,
        part -> Text,
        person_id -> Nullable<Binary>,
        created_at -> BigInt,
        key -> Binary,
        name -> Binary,
    }
}

table! {
    party_addresses (party_id, hash) {
        party_id -> Binary,
        hash -> Binary,
        case_id -> Binary,
        confirmed -> Bool,
        preferred -> Bool,
        address -> Binary,
    }
}

table! {
    conversations (id) {
        id -> Binary,
        case_id -> Binary,
        party_id -> Binary,
        reference -> Text,
        mailbox -> Text,
        language -> Text,
        created_at -> BigInt,
        key -> Binary,
        subject -> Binary,
    }
}

table! {
    messages (id) {
        id -> Binary,
        case_id -> Nullable<Binary>,
        conversation_id -> Nullable<Binary>,
        kind -> Text,
        at -> BigInt,
        author_id -> Nullable<Binary>,
        mailbox -> Text,
        trust -> Nullable<Text>,
        automatic -> Text,
        held -> Nullable<Text>,
        reason -> Nullable<Text>,
        delivery -> Nullable<Text>,
        identity -> Nullable<Binary>,
        case_version -> BigInt,
        raw_bytes -> BigInt,
        raw_chunks -> Integer,
        raw_complete -> Bool,
        key -> Binary,
        view -> Binary,
        verdict -> Nullable<Binary>,
    }
}

table! {
    chunks (message_id, seq) {
        message_id -> Binary,
        seq -> Integer,
        data -> Binary,
    }
}

table! {
    threads (hash, purpose, message_id) {
        hash -> Binary,
        purpose -> Text,
        message_id -> Binary,
        case_id -> Binary,
        conversation_id -> Binary,
        recipient -> Nullable<Binary>,
        expires_at -> Nullable<BigInt>,
    }
}

table! {
    folders (id) {
        id -> Binary,
        mailbox -> Text,
        folder -> Text,
        epoch -> Integer,
        validity -> BigInt,
        start_at -> BigInt,
        opened_at -> BigInt,
        reconciled_at -> Nullable<BigInt>,
    }
}

table! {
    register (folder_id, uid) {
        folder_id -> Binary,
        uid -> BigInt,
        state -> Text,
        reason -> Nullable<Text>,
        message_id -> Nullable<Binary>,
        bytes -> BigInt,
        received_at -> BigInt,
        at -> BigInt,
        attempts -> Integer,
        settled -> Bool,
    }
}

table! {
    maildir_names (mailbox, folder, uid) {
        mailbox -> Text,
        folder -> Text,
        uid -> BigInt,
        name -> Text,
    }
}

table! {
    outbox (id) {
        id -> Binary,
        message_id -> Binary,
        case_id -> Nullable<Binary>,
        mailbox -> Text,
        kind -> Text,
        recipient -> Binary,
        state -> Text,
        not_before -> BigInt,
        attempts -> Integer,
        lease_until -> Nullable<BigInt>,
        lease_by -> Nullable<Text>,
        created_at -> BigInt,
        sent_at -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        null_sender -> Bool,
        envelope -> Binary,
        accepted -> Nullable<Binary>,
    }
}

table! {
    users (id) {
        id -> Binary,
        login -> Binary,
        roles -> Text,
        teams -> Text,
        entities -> Text,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
        version -> BigInt,
        key -> Binary,
        profile -> Binary,
    }
}

table! {
    approvals (id) {
        id -> Binary,
        user_id -> Binary,
        asked_by -> Binary,
        at -> BigInt,
        state -> Text,
        decided_by -> Nullable<Binary>,
        decided_at -> Nullable<BigInt>,
        key -> Binary,
        change -> Binary,
    }
}

table! {
    api_tokens (id) {
        id -> Binary,
        user_id -> Binary,
        hash -> Binary,
        label -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

table! {
    grants (id) {
        id -> Binary,
        case_id -> Binary,
        user_id -> Binary,
        level -> Text,
        kind -> Text,
        granted_by -> Binary,
        at -> BigInt,
        expires_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        key -> Binary,
        reason -> Binary,
    }
}

table! {
    walls (case_id, user_id) {
        case_id -> Binary,
        user_id -> Binary,
        at -> BigInt,
        key -> Binary,
        reason -> Binary,
        bar -> Text,
    }
}

table! {
    people (id) {
        id -> Binary,
        employee -> Binary,
        manager_id -> Nullable<Binary>,
        assistant_of -> Nullable<Binary>,
        legal_entity -> Text,
        language -> Text,
        executive -> Bool,
        hr_role -> Nullable<Text>,
        active -> Bool,
        updated_at -> BigInt,
        key -> Binary,
        profile -> Binary,
    }
}

table! {
    people_addresses (hash, person_id) {
        hash -> Binary,
        person_id -> Binary,
        work -> Bool,
    }
}

table! {
    audit_entries (id) {
        id -> Binary,
        at -> BigInt,
        case_id -> Nullable<Binary>,
        case_version -> Nullable<BigInt>,
        actor_id -> Nullable<Binary>,
        action -> Text,
        bytes -> Binary,
        key -> Nullable<Binary>,
        details -> Nullable<Binary>,
        mac -> Nullable<Binary>,
    }
}

table! {
    audit_tree (seq) {
        seq -> BigInt,
        entry_id -> Binary,
        hashes -> Binary,
        signature -> Binary,
        mac -> Binary,
    }
}

table! {
    audit_pending (entry_id) {
        entry_id -> Binary,
    }
}

table! {
    audit_witnessed (day) {
        day -> BigInt,
        size -> BigInt,
        at -> BigInt,
    }
}

table! {
    leases (name) {
        name -> Text,
        holder -> Text,
        fence -> BigInt,
        until -> BigInt,
    }
}

table! {
    idempotency (user_id, key_hash) {
        user_id -> Binary,
        key_hash -> Binary,
        request -> Binary,
        at -> BigInt,
        status -> Integer,
        key -> Binary,
        body -> Binary,
    }
}

table! {
    backups (id) {
        id -> Binary,
        at -> BigInt,
        verified_at -> Nullable<BigInt>,
    }
}

// The account of migrations is the library's own.
table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

table! {
    case_events (case_id, seq) {
        case_id -> Binary,
        seq -> BigInt,
        version -> BigInt,
        at -> BigInt,
        what -> Text,
    }
}

table! {
    case_timers (case_id) {
        case_id -> Binary,
        at -> BigInt,
    }
}

table! {
    case_reminders (case_id, step, due) {
        case_id -> Binary,
        step -> Text,
        due -> BigInt,
        at -> BigInt,
    }
}

table! {
    refresh_tokens (name) {
        name -> Text,
        configured -> Binary,
        at -> BigInt,
        key -> Binary,
        token -> Binary,
    }
}

table! {
    search_words (hash, case_id) {
        hash -> BigInt,
        case_id -> Binary,
    }
}

table! {
    search_queue (case_id) {
        case_id -> Binary,
        at -> BigInt,
    }
}

joinable!(party_addresses -> parties (party_id));
joinable!(api_tokens -> users (user_id));
joinable!(register -> folders (folder_id));

allow_tables_to_appear_in_same_query!(
    vault_keys,
    master_keys,
    erasures,
    cases,
    case_links,
    parties,
    party_addresses,
    conversations,
    messages,
    chunks,
    threads,
    folders,
    register,
    maildir_names,
    outbox,
    users,
    api_tokens,
    approvals,
    grants,
    walls,
    people,
    people_addresses,
    audit_entries,
    audit_tree,
    audit_pending,
    audit_witnessed,
    search_words,
    search_queue,
    leases,
    idempotency,
    backups,
    case_events,
    case_timers,
    case_reminders,
    refresh_tokens
);
