//! What is in the file: the records, and an index of their ends.

use redb::{
    Database, Durability, Error, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition,
    WriteTransaction,
};

use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Operation, Record};

/// A key's end, if it has one, and its value.
const RECORDS: TableDefinition<'_, &str, (Option<u64>, &[u8])> = TableDefinition::new("records");
/// The end of every record that has one, and its key.
const ENDS: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("ends");

/// How much room there must be for the store to be called ready again, in octets.
const PROBE: usize = 64 << 10;

/// A transaction whose commit is on disk when it has returned.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Makes the tables if there are none.
pub(super) fn create(database: &Database) -> Result<(), Error> {
    let reading = database.begin_read()?;
    if reading.open_table(RECORDS).is_ok() && reading.open_table(ENDS).is_ok() {
        return Ok(());
    }
    let transaction = begin(database)?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(ENDS)?;
    transaction.commit()?;
    Ok(())
}

/// The records of those keys that are alive, in that order.
pub(super) fn read(
    database: &Database,
    keys: &[Key],
    now: Timestamp,
) -> Result<Vec<Option<Record>>, Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let record = records.get(key.as_str())?.map(|stored| {
            let (end, value) = stored.value();
            Record {
                value: value.to_vec(),
                expires: end.map(Timestamp::from_unix),
            }
        });
        found.push(record.filter(|record| record.lives(now)));
    }
    Ok(found)
}

/// Both tables, within one transaction.
pub(super) struct Tables<'a> {
    records: Table<'a, &'static str, (Option<u64>, &'static [u8])>,
    ends: Table<'a, (u64, &'static str), ()>,
}

impl<'a> Tables<'a> {
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            ends: transaction.open_table(ENDS)?,
        })
    }

    /// Makes the changes, or answers the key whose condition does not hold and makes none.
    pub(super) fn apply(
        &mut self,
        changes: &Changes,
        now: Timestamp,
    ) -> Result<Option<Key>, Error> {
        for (key, condition) in changes.conditions() {
            let stored = self.records.get(key.as_str())?;
            let found = stored.as_ref().map(redb::AccessGuard::value);
            let alive = found.filter(|(end, _)| end.is_none_or(|end| now.unix() < end));
            if !condition.holds(alive.map(|(_, value)| value)) {
                return Ok(Some(key.clone()));
            }
        }
        for (key, operation) in changes.operations() {
            match operation {
                Operation::Put(record) if record.lives(now) => self.put(key, record)?,
                Operation::Put(_) | Operation::Delete => self.delete(key)?,
            }
        }
        Ok(None)
    }

    fn put(&mut self, key: &Key, record: &Record) -> Result<(), Error> {
        let key = key.as_str();
        let end = record.expires.map(Timestamp::unix);
        let before = self.records.insert(key, (end, record.value.as_slice()))?;
        let before = before.and_then(|stored| stored.value().0);
        if before != end {
            if let Some(before) = before {
                self.ends.remove((before, key))?;
            }
            if let Some(end) = end {
                self.ends.insert((end, key), ())?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, key: &Key) -> Result<(), Error> {
        let before = self.records.remove(key.as_str())?;
        if let Some(end) = before.and_then(|stored| stored.value().0) {
            self.ends.remove((end, key.as_str()))?;
        }
        Ok(())
    }

    /// Fails where there is no room for what may come; leaves nothing.
    pub(super) fn probe(&mut self) -> Result<(), Error> {
        let room = vec![0; PROBE];
        self.records.insert("", (None, room.as_slice()))?;
        self.records.remove("")?;
        Ok(())
    }

    /// Removes up to `limit` of the records that have ended; answers how many there were.
    pub(super) fn sweep(&mut self, now: Timestamp, limit: usize) -> Result<usize, Error> {
        for swept in 0..limit {
            let (end, key) = match self.ends.first()? {
                Some((first, _)) if first.value().0 <= now.unix() => {
                    let (end, key) = first.value();
                    (end, key.to_owned())
                }
                _ => return Ok(swept),
            };
            self.ends.remove((end, key.as_str()))?;
            self.records.remove(key.as_str())?;
        }
        Ok(limit)
    }

    /// How many records there are, and how many of them have an end.
    #[cfg(test)]
    pub(super) fn len(&self) -> Result<(u64, u64), Error> {
        use redb::ReadableTableMetadata as _;
        Ok((self.records.len()?, self.ends.len()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::secret::Digest;
    use crate::record::Kind;

    fn key(number: u32) -> Key {
        Key::new(Kind::AccessToken, &Digest::of(&number.to_be_bytes()))
    }

    fn record(end: u64) -> Record {
        Record {
            value: b"{}".to_vec(),
            expires: Some(Timestamp::from_unix(end)),
        }
    }

    #[test]
    fn records_and_their_ends_stay_together() -> Result<(), Error> {
        let database = redb::Builder::new()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .expect("memory can hold a database");
        create(&database)?;
        let transaction = begin(&database)?;
        let mut tables = Tables::open(&transaction)?;
        let early = Timestamp::from_unix(1);
        for end in [10, 20, 15] {
            tables.apply(&Changes::none().put(key(1), record(end)), early)?;
            assert_eq!(tables.len()?, (1, 1));
        }
        tables.apply(&Changes::none().put(key(1), record(1)), early)?;
        assert_eq!(tables.len()?, (0, 0), "what is put too late is not kept");
        for number in 0..10 {
            tables.apply(&Changes::none().put(key(number), record(10)), early)?;
        }
        assert_eq!(tables.sweep(Timestamp::from_unix(9), 100)?, 0);
        assert_eq!(tables.sweep(Timestamp::from_unix(10), 7)?, 7);
        assert_eq!(tables.len()?, (3, 3));
        assert_eq!(tables.sweep(Timestamp::from_unix(10), 7)?, 3);
        assert_eq!(tables.len()?, (0, 0));
        Ok(())
    }
}
