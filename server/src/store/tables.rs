//! The tables and the bytes in them. A value is one byte for the version of its encoding, then
//! JSON: readable in twenty years, and a change of a Rust type cannot change the file unnoticed.

use redb::{ReadTransaction, StorageError, TableDefinition, TableError, WriteTransaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::model::caller::{TokenHash, UserId};
use crate::model::description::Description;

/// A table: bytes to bytes.
pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What the file says of itself: `schema` is its version.
pub(super) const META: Definition = TableDefinition::new("meta");
/// Token hash (32 bytes) to [`StoredToken`].
pub(super) const TOKENS: Definition = TableDefinition::new("tokens");
/// User id (16 bytes) to [`StoredUser`].
pub(super) const USERS: Definition = TableDefinition::new("users");

/// The key of the schema version in [`META`].
pub(super) const SCHEMA_KEY: &[u8] = b"schema";
/// The schema that this program writes.
pub(super) const SCHEMA: u32 = 1;

/// The version of the values' encoding.
const ENCODING: u8 = 1;

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredToken {
    pub(super) user: UserId,
    pub(super) description: Description,
    pub(super) created_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
}

/// A user as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredUser {
    pub(super) description: Description,
    pub(super) created_at: Timestamp,
}

/// The bytes of a value.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StorageError> {
    let mut bytes = vec![ENCODING];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| StorageError::Corrupted(format!("a value does not encode: {error}")))?;
    Ok(bytes)
}

/// The value of the bytes. `what` names it if they are not what [`encode`] writes.
pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StorageError> {
    match bytes.split_first() {
        Some((&ENCODING, json)) => serde_json::from_slice(json)
            .map_err(|error| StorageError::Corrupted(format!("{what}: {error}"))),
        Some((version, _)) => {
            Err(StorageError::Corrupted(format!("{what} has the unknown encoding {version}")))
        }
        None => Err(StorageError::Corrupted(format!("{what} is empty"))),
    }
}

/// The hash that is a key of [`TOKENS`].
pub(super) fn token_hash(key: &[u8]) -> Result<TokenHash, StorageError> {
    let wrong = |_| StorageError::Corrupted(format!("a token's key has {} bytes", key.len()));
    key.try_into().map(TokenHash).map_err(wrong)
}

/// The user that is a key of [`USERS`].
pub(super) fn user_id(key: &[u8]) -> Result<UserId, StorageError> {
    let wrong = |_| StorageError::Corrupted(format!("a user's key has {} bytes", key.len()));
    uuid::Uuid::from_slice(key).map(UserId).map_err(wrong)
}

/// The schema of the file; `None` if it has none yet.
pub(super) fn schema(snapshot: &ReadTransaction) -> Result<Option<u32>, redb::Error> {
    match snapshot.open_table(META) {
        Ok(meta) => match meta.get(SCHEMA_KEY)? {
            Some(value) => Ok(Some(decode("the schema", value.value())?)),
            None => Ok(None),
        },
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes the tables of [`SCHEMA`] in an empty file.
pub(super) fn create(change: &WriteTransaction) -> Result<(), redb::Error> {
    change.open_table(TOKENS)?;
    change.open_table(USERS)?;
    change.open_table(META)?.insert(SCHEMA_KEY, encode(&SCHEMA)?.as_slice())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_each_record_are_these() {
        let user = UserId("0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap());
        let token = StoredToken {
            user,
            description: "Ann's laptop".parse().unwrap(),
            created_at: Timestamp(1_795_348_800),
            last_used_at: None,
            expires_at: Some(Timestamp(1_797_940_800)),
        };
        let golden = b"\x01{\"user\":\"0f8fad5b-d9cb-469f-a165-70867728950e\",\
            \"description\":\"Ann's laptop\",\"created_at\":1795348800,\"last_used_at\":null,\
            \"expires_at\":1797940800}";
        assert_eq!(encode(&token).unwrap(), golden);
        assert_eq!(decode::<StoredToken>("a token", golden).unwrap(), token);

        let user = StoredUser { description: "Ann".parse().unwrap(), created_at: Timestamp(7) };
        let golden = b"\x01{\"description\":\"Ann\",\"created_at\":7}";
        assert_eq!(encode(&user).unwrap(), golden);
        assert_eq!(decode::<StoredUser>("a user", golden).unwrap(), user);

        assert_eq!(encode(&SCHEMA).unwrap(), b"\x011");
    }

    #[test]
    fn what_was_not_written_by_us_is_corruption() {
        for wrong in [
            b"".as_slice(),
            b"\x01",
            b"\x02{\"description\":\"Ann\",\"created_at\":7}",
            b"\x01{\"description\":\"Ann\",\"created_at\":7",
            b"\x01{\"description\":\"Ann\",\"created_at\":7}x",
            b"\x01{\"description\":\"Ann\",\"created_at\":7,\"more\":1}",
            b"\x01{\"description\":\"A\\u001bn\",\"created_at\":7}",
        ] {
            let decoded = decode::<StoredUser>("a user", wrong);
            assert!(matches!(decoded, Err(StorageError::Corrupted(_))), "{wrong:?}");
        }
        assert!(token_hash(&[0; 31]).is_err());
        assert!(user_id(&[0; 17]).is_err());
    }
}
