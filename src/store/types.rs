//! How the domain's types are written to and read from columns, the same way in both databases.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromStaticSqlRow, Queryable};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use crate::case::access::Access;
use crate::case::clock::What;
use crate::case::wall::Bar;
use crate::case::{
    ApprovalId, BackupId, CaseId, Category, Channel, ConversationId, EntryId, FolderId, GrantId, MessageId,
    MessageKind, Moment, OutboxId, Part, PartyId, PersonId, Priority, Reference, Roles, Sensitivity, Status,
    TokenId, Trust, UserId,
};
use crate::vault::{LookupHash, Sealed};

use super::rows::{ApprovalState, GrantKind, Held, OutboxKind, OutboxState, RegisterState, ThreadPurpose};

/// Makes a type usable as an expression of one SQL type, nullable or not, and as a column of a row.
macro_rules! column {
    ($type:ty, $sql:ty) => {
        impl AsExpression<$sql> for $type {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<$sql> for &'a $type {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl AsExpression<Nullable<$sql>> for $type {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<Nullable<$sql>> for &'a $type {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<DB: Backend> ToSql<Nullable<$sql>, DB> for $type
        where
            Self: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                ToSql::<$sql, DB>::to_sql(self, out)
            }
        }
        impl<DB: Backend> Queryable<$sql, DB> for $type
        where
            Self: FromStaticSqlRow<$sql, DB>,
        {
            type Row = Self;
            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    };
}

macro_rules! bytes_column {
    ($($type:ty => $borrow:ident, $build:expr;)*) => {$(
        column!($type, Binary);
        impl<DB: Backend> ToSql<Binary, DB> for $type where [u8]: ToSql<Binary, DB> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                <[u8] as ToSql<Binary, DB>>::to_sql(self.$borrow().as_ref(), out)
            }
        }
        impl<DB: Backend> FromSql<Binary, DB> for $type where Vec<u8>: FromSql<Binary, DB> {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let bytes = Vec::<u8>::from_sql(bytes)?;
                let build: fn(Vec<u8>) -> Option<Self> = $build;
                build(bytes).ok_or_else(|| concat!("a stored ", stringify!($type), " has the wrong length").into())
            }
        }
    )*};
}

bytes_column! {
    CaseId => as_bytes, |bytes| bytes.try_into().ok().map(CaseId::from_bytes);
    ConversationId => as_bytes, |bytes| bytes.try_into().ok().map(ConversationId::from_bytes);
    PartyId => as_bytes, |bytes| bytes.try_into().ok().map(PartyId::from_bytes);
    MessageId => as_bytes, |bytes| bytes.try_into().ok().map(MessageId::from_bytes);
    OutboxId => as_bytes, |bytes| bytes.try_into().ok().map(OutboxId::from_bytes);
    UserId => as_bytes, |bytes| bytes.try_into().ok().map(UserId::from_bytes);
    GrantId => as_bytes, |bytes| bytes.try_into().ok().map(GrantId::from_bytes);
    ApprovalId => as_bytes, |bytes| bytes.try_into().ok().map(ApprovalId::from_bytes);
    TokenId => as_bytes, |bytes| bytes.try_into().ok().map(TokenId::from_bytes);
    PersonId => as_bytes, |bytes| bytes.try_into().ok().map(PersonId::from_bytes);
    EntryId => as_bytes, |bytes| bytes.try_into().ok().map(EntryId::from_bytes);
    BackupId => as_bytes, |bytes| bytes.try_into().ok().map(BackupId::from_bytes);
    FolderId => as_bytes, |bytes| bytes.try_into().ok().map(FolderId::from_bytes);
    LookupHash => as_stored, |bytes| bytes.try_into().ok().map(LookupHash::from_stored);
    Sealed => as_stored, |bytes| Some(Sealed::from_stored(bytes));
}

macro_rules! word_column {
    ($($type:ty),* $(,)?) => {$(
        column!($type, Text);
        impl<DB: Backend> ToSql<Text, DB> for $type where str: ToSql<Text, DB> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                <str as ToSql<Text, DB>>::to_sql(self.as_str(), out)
            }
        }
        impl<DB: Backend> FromSql<Text, DB> for $type where String: FromSql<Text, DB> {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                String::from_sql(bytes)?.parse::<Self>()
                    .map_err(|_| concat!("a stored ", stringify!($type), " is not a known word").into())
            }
        }
    )*};
}

word_column!(
    Status,
    Sensitivity,
    Priority,
    Category,
    Channel,
    Part,
    MessageKind,
    Trust,
    Access,
    Bar,
    Held,
    OutboxKind,
    OutboxState,
    RegisterState,
    ThreadPurpose,
    GrantKind,
    ApprovalState,
);

column!(Moment, BigInt);
impl ToSql<BigInt, diesel::sqlite::Sqlite> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::sqlite::Sqlite>) -> serialize::Result {
        out.set_value(self.micros());
        Ok(serialize::IsNull::No)
    }
}
impl ToSql<BigInt, diesel::pg::Pg> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> serialize::Result {
        ToSql::<BigInt, diesel::pg::Pg>::to_sql(&self.micros(), &mut out.reborrow())
    }
}
impl<DB: Backend> FromSql<BigInt, DB> for Moment
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self::from_micros)
    }
}

/// Values whose stored text is made when writing: each backend takes an owned string its own way.
macro_rules! text_column {
    ($($type:ty => $write:expr, $read:expr;)*) => {$(
        column!($type, Text);
        impl ToSql<Text, diesel::sqlite::Sqlite> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::sqlite::Sqlite>) -> serialize::Result {
                let write: fn(&Self) -> String = $write;
                out.set_value(write(self));
                Ok(serialize::IsNull::No)
            }
        }
        impl ToSql<Text, diesel::pg::Pg> for $type {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> serialize::Result {
                let write: fn(&Self) -> String = $write;
                <str as ToSql<Text, diesel::pg::Pg>>::to_sql(&write(self), &mut out.reborrow())
            }
        }
        impl<DB: Backend> FromSql<Text, DB> for $type where String: FromSql<Text, DB> {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let read: fn(&str) -> Option<Self> = $read;
                read(&String::from_sql(bytes)?)
                    .ok_or_else(|| concat!("a stored ", stringify!($type), " cannot be read").into())
            }
        }
    )*};
}

/// A list of plain words in one column, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

text_column! {
    Reference => |reference| reference.to_string(), |text| text.parse().ok();
    Roles => |roles| serde_json::to_string(roles).unwrap_or_default(), |text| serde_json::from_str(text).ok();
    What => |what| serde_json::to_string(what).unwrap_or_default(), |text| serde_json::from_str(text).ok();
    Words => |words| serde_json::to_string(&words.0).unwrap_or_default(), |text| serde_json::from_str(text).ok().map(Words);
}
