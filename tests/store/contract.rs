//! What every store does.

use std::sync::Arc;

use certbound::oauth::time::Timestamp;
use certbound::record::{Changes, Condition, Record};
use certbound::store::{Store, StoreError};

use crate::{NOW, later, put, record, token, value};

/// All of it, of one instance.
pub(crate) async fn contract(store: Arc<dyn Store>) {
    contract_of_instances(&[store]).await;
}

/// The same for several instances that share what they keep.
pub(crate) async fn contract_of_instances(stores: &[Arc<dyn Store>]) {
    let store = &stores[0];
    store.ready().await.expect("the store is ready");
    reads(&**store).await;
    ends(&**store).await;
    conditions(&**store).await;
    several_keys(&**store).await;
    one_winner(stores).await;
    compare_and_swap(stores).await;
}

async fn reads(store: &dyn Store) {
    let names = ["reads-1", "reads-2", "reads-3"].map(token);
    assert_eq!(store.get(&[], NOW).await, Ok(Vec::new()));
    assert_eq!(store.get(&names, NOW).await, Ok(vec![None, None, None]));
    store
        .commit(&Changes::none(), NOW)
        .await
        .expect("nothing to do");

    put(store, &names[0], record("first", 60)).await;
    let endless = Record {
        value: vec![0, 32, 255],
        expires: None,
    };
    put(store, &names[2], endless.clone()).await;
    let order = [&names[2], &names[1], &names[0], &names[2]].map(Clone::clone);
    let found = store.get(&order, NOW).await.expect("the store answers");
    let first = record("first", 60);
    assert_eq!(
        found,
        [Some(endless.clone()), None, Some(first), Some(endless)]
    );

    put(store, &names[0], record("second", 90)).await;
    let found = store
        .get(&names[..1], NOW)
        .await
        .expect("the store answers");
    assert_eq!(found, [Some(record("second", 90))]);

    put(
        store,
        &names[0],
        Record {
            value: Vec::new(),
            expires: None,
        },
    )
    .await;
    assert_eq!(value(store, &names[0], NOW).await.as_deref(), Some(""));

    for _ in 0..2 {
        let delete = Changes::none().delete(names[0].clone());
        store
            .commit(&delete, NOW)
            .await
            .expect("deleting what is gone is no conflict");
        assert_eq!(value(store, &names[0], NOW).await, None);
    }
    // The last operation on a key has the last word.
    let twice = Changes::none()
        .put(names[0].clone(), record("a", 60))
        .delete(names[0].clone())
        .put(names[0].clone(), record("b", 60));
    store.commit(&twice, NOW).await.expect("no conditions");
    assert_eq!(value(store, &names[0], NOW).await.as_deref(), Some("b"));
}

async fn ends(store: &dyn Store) {
    let name = token("ends");
    put(store, &name, record("short", 2)).await;
    assert_eq!(
        value(store, &name, later(1)).await.as_deref(),
        Some("short")
    );
    assert_eq!(
        value(store, &name, later(2)).await,
        None,
        "the end is not part of the life"
    );

    // What has ended is absent, and nothing else.
    let conflict = Err(StoreError::Conflict(name.clone()));
    let again = Changes::none()
        .expect(name.clone(), Condition::Absent)
        .put(name.clone(), record("again", 60));
    assert_eq!(store.commit(&again, later(1)).await, conflict);
    let is = Changes::none().expect(name.clone(), Condition::Is(b"short".to_vec()));
    assert_eq!(store.commit(&is, later(1)).await, Ok(()));
    assert_eq!(store.commit(&is, later(2)).await, conflict);
    assert_eq!(store.commit(&again, later(2)).await, Ok(()));
    assert_eq!(
        value(store, &name, later(2)).await.as_deref(),
        Some("again")
    );

    // What is put too late was never there, and takes away what was.
    for (changes, what) in [
        (Changes::none(), "alone"),
        (
            Changes::none().expect(token("ends-not"), Condition::Absent),
            "with a condition",
        ),
    ] {
        let late = record(what, 5);
        store
            .commit(&changes.put(name.clone(), late), later(5))
            .await
            .expect("nothing conflicts");
        assert_eq!(value(store, &name, NOW).await, None, "{what}");
        put(store, &name, record("again", 60)).await;
    }

    let far = Record {
        value: b"far".to_vec(),
        expires: Some(Timestamp::from_unix(u64::MAX)),
    };
    put(store, &name, far.clone()).await;
    assert_eq!(store.get(&[name], NOW).await, Ok(vec![Some(far)]));
}

async fn conditions(store: &dyn Store) {
    let (name, other) = (token("conditions"), token("conditions-other"));
    let absent = |value: &str| {
        Changes::none()
            .expect(name.clone(), Condition::Absent)
            .put(name.clone(), record(value, 60))
    };
    let is = |value: &str| Changes::none().expect(name.clone(), Condition::Is(value.into()));
    let conflict = Err(StoreError::Conflict(name.clone()));

    assert_eq!(
        store.commit(&is("first"), NOW).await,
        conflict,
        "absent is no value"
    );
    assert_eq!(
        store.commit(&is(""), NOW).await,
        conflict,
        "absent is not the empty value"
    );
    assert_eq!(store.commit(&absent("first"), NOW).await, Ok(()));
    assert_eq!(store.commit(&absent("second"), NOW).await, conflict);
    assert_eq!(value(store, &name, NOW).await.as_deref(), Some("first"));

    for wrong in ["firs", "first ", "First", ""] {
        let swap = is(wrong).put(name.clone(), record("stolen", 60));
        assert_eq!(store.commit(&swap, NOW).await, conflict, "{wrong:?}");
    }
    let swap = is("first").put(name.clone(), record("second", 60));
    assert_eq!(store.commit(&swap, NOW).await, Ok(()));
    assert_eq!(store.commit(&swap, NOW).await, conflict);
    assert_eq!(value(store, &name, NOW).await.as_deref(), Some("second"));

    // Conditions alone may be asked, and be of other keys than the operations.
    assert_eq!(store.commit(&is("second"), NOW).await, Ok(()));
    let guarded = is("second").put(other.clone(), record("beside", 60));
    assert_eq!(store.commit(&guarded, NOW).await, Ok(()));
    assert_eq!(value(store, &other, NOW).await.as_deref(), Some("beside"));
    let delete = is("second").delete(name.clone());
    assert_eq!(store.commit(&delete, NOW).await, Ok(()));
    assert_eq!(store.commit(&delete, NOW).await, conflict);
    assert_eq!(store.commit(&absent("third"), NOW).await, Ok(()));
}

pub(crate) async fn several_keys(store: &dyn Store) {
    let [there, gone, new] = ["several-1", "several-2", "several-3"].map(token);
    put(store, &there, record("there", 60)).await;
    // The first condition holds, the second does not: its key is named and nothing is done.
    let refused = Changes::none()
        .expect(there.clone(), Condition::Is(b"there".to_vec()))
        .expect(gone.clone(), Condition::Is(b"there".to_vec()))
        .expect(there.clone(), Condition::Absent)
        .delete(there.clone())
        .put(new.clone(), record("new", 60));
    assert_eq!(
        store.commit(&refused, NOW).await,
        Err(StoreError::Conflict(gone.clone()))
    );
    assert_eq!(value(store, &there, NOW).await.as_deref(), Some("there"));
    assert_eq!(value(store, &new, NOW).await, None);

    let made = Changes::none()
        .expect(there.clone(), Condition::Is(b"there".to_vec()))
        .expect(gone.clone(), Condition::Absent)
        .delete(there.clone())
        .put(
            gone.clone(),
            Record {
                value: b"for ever".to_vec(),
                expires: None,
            },
        )
        .put(new.clone(), record("new", 60));
    assert_eq!(store.commit(&made, NOW).await, Ok(()));
    let found = store
        .get(&[there, gone, new], NOW)
        .await
        .expect("the store answers");
    let values: Vec<_> = found
        .into_iter()
        .map(|record| record.map(|record| record.value))
        .collect();
    assert_eq!(
        values,
        [None, Some(b"for ever".to_vec()), Some(b"new".to_vec())]
    );
}

/// Two hundred at once want the same key: one gets it, and only that one's other key is there.
async fn one_winner(stores: &[Arc<dyn Store>]) {
    for alone in [true, false] {
        let contested = token(if alone { "winner-alone" } else { "winner" });
        let mut tasks = Vec::new();
        for index in 0..200 {
            let store = Arc::clone(&stores[index % stores.len()]);
            let contested = contested.clone();
            tasks.push(tokio::spawn(async move {
                let mut changes = Changes::none()
                    .expect(contested.clone(), Condition::Absent)
                    .put(contested, record(&index.to_string(), 60));
                if !alone {
                    changes = changes.put(token(&format!("prize-{index}")), record("prize", 60));
                }
                store.commit(&changes, NOW).await
            }));
        }
        let mut winners = Vec::new();
        for (index, task) in tasks.into_iter().enumerate() {
            match task.await.expect("no task panics") {
                Ok(()) => winners.push(index.to_string()),
                Err(error) => assert_eq!(error, StoreError::Conflict(contested.clone())),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        let winner = winners.pop();
        for store in stores {
            assert_eq!(value(&**store, &contested, NOW).await, winner);
        }
    }
    let prizes: Vec<_> = (0..200)
        .map(|index| token(&format!("prize-{index}")))
        .collect();
    let found = stores[0]
        .get(&prizes, NOW)
        .await
        .expect("the store answers");
    assert_eq!(found.iter().flatten().count(), 1);
}

/// Two hundred increments by twenty tasks, each made until nobody came in between.
async fn compare_and_swap(stores: &[Arc<dyn Store>]) {
    let counter = token("counter");
    put(&*stores[0], &counter, record("0", 60)).await;
    let mut tasks = Vec::new();
    for task in 0..20 {
        let (store, counter) = (Arc::clone(&stores[task % stores.len()]), counter.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let seen = value(&*store, &counter, NOW)
                        .await
                        .expect("the counter is there");
                    let next: u32 = seen.parse::<u32>().expect("the counter is a number") + 1;
                    let swap = Changes::none()
                        .expect(counter.clone(), Condition::Is(seen.into_bytes()))
                        .put(counter.clone(), record(&next.to_string(), 60));
                    match store.commit(&swap, NOW).await {
                        Ok(()) => break,
                        Err(StoreError::Conflict(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
    assert_eq!(
        value(&*stores[0], &counter, NOW).await.as_deref(),
        Some("200")
    );
}
