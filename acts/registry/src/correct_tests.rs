//! A correction beside somebody who writes the same row: what was corrected is what was looked at.

use crate::{
    tests::{at, fresh, installed, permit, simple, text, world},
    *,
};
use ::store::transact;
use schema::Value;
use std::time::Duration;
use vocabulary::uuid::Uuid;

fn row(number: u128) -> RowId {
    RowId::from_uuid(Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 + (number << 32)))
}

/// A row that somebody writes while it is taken out is gone afterwards, with every version in its history.
#[tokio::test]
async fn a_row_that_is_written_meanwhile_is_taken_out_all_the_same() {
    let world = world().await;
    for store in &world.stores {
        let record = installed(store, simple(&fresh("removed"))).await;
        let written = |number: i64, first: u128| {
            let rows = vec![vec![text("a"), Value::Integer(number), Value::Null]];
            permit(Write { record: record.name.clone(), rows, first: row(first), why: "test".into() })
        };
        let (before, meanwhile) = (written(1, 1), written(2, 2));
        transact!(store, None, |tx| write(tx, &before, at(1)).await).unwrap();
        let (done, seen) = tokio::sync::oneshot::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (mut done, mut gone) = (Some(done), Some(gone));
        let writing = async {
            transact!(store, None, |tx| {
                let written = write(tx, &meanwhile, at(2)).await?;
                if let (Some(done), Some(gone)) = (done.take(), gone.take()) {
                    done.send(()).unwrap();
                    gone.await.unwrap();
                }
                Ok(written)
            })
            .unwrap();
        };
        let removing = async {
            seen.await.unwrap();
            let (fix, key) = (Fix::Remove, vec![text("a")]);
            let ask = Correct { record: record.name.clone(), key, fix, first: row(3), why: "不应登记".into() };
            let ask = permit(ask);
            transact!(store, None, |tx| {
                let versions = correct(tx, &ask, at(3)).await?.versions;
                Ok(versions.last().is_some_and(|it| it[1] == Value::Integer(2)))
            })
            .unwrap()
        };
        let waiting = async {
            // The removal comes as far as it gets while the other is not through.
            tokio::time::sleep(Duration::from_millis(200)).await;
            go.send(()).unwrap();
        };
        let ((), told, ()) = tokio::join!(writing, removing, waiting);
        let versions = history(&mut store.read().await.unwrap(), &record, &[text("a")]).await.unwrap();
        assert_eq!(versions.len(), 2);
        assert!(versions.iter().all(|it| it.until.is_some()), "nothing of it is there any more");
        assert!(told, "what was taken out is what stood there");
    }
}
