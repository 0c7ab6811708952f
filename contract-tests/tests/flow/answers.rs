//! What was learnt is not thrown away when the ledger fails for a moment, and not written by who has
//! lost the turn.

use std::time::Duration;

use canonical::SourceName;
use contract::Received;
use raccordo::clock::{Clock as _, after};
use raccordo::delivery::DeliveryState;
use raccordo::flow::FlowError;
use raccordo::flow::intake::{self, InTurn};
use raccordo::storage::sqlite::bare;
use simulated::{Fault, document};

use super::bench::{TestFlow, lotto, unit};

#[tokio::test]
async fn an_answer_that_the_ledger_did_not_take_is_written_again_and_not_asked_for() {
    let test = TestFlow::new().await;
    // Nobody would get an answer to a question.
    test.target.on_look_up([Fault::Unavailable]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    let file = test.folder.path().join("test.db");
    let fail = "create trigger not_now before update on attempt begin select raise(abort, 'not now'); end";
    bare::execute(&file, fail).await.expect("the ledger takes no outcome");
    let mended = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        bare::execute(&file, "drop trigger not_now").await.expect("the ledger takes outcomes again");
    };
    let (claimed, ()) = tokio::join!(test.step(), mended);
    assert_eq!(claimed, 1);
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged, "in the same step");
    assert_eq!(test.effects(), [(unit(1).0, 1)]);
    assert_eq!(test.target.attempts(), 1);
}

#[tokio::test]
async fn a_read_whose_turn_was_lost_saves_no_cursor() {
    let test = TestFlow::new().await;
    let (store, holds) = (&test.flow.store, Duration::from_mins(1));
    let source = SourceName::parse("origin").expect("a name");
    let now = test.clock.now();
    let turn = store.take_turn("sync", now, after(now, holds)).await.expect("an answer").expect("the first");
    let says = |cursor: &str| {
        let mut items = document(cursor, &[lotto(1, cursor)]);
        items.push(Received::Cursor(cursor.to_owned()));
        test.origin.give(items);
    };
    says("ours");
    intake::read_in_turn(&test.flow, &source, &|_| (), InTurn { turn: &turn, holds }).await.expect("it is our turn");
    assert_eq!(store.cursor(&source).await.expect("a cursor").as_deref(), Some("ours"));

    test.clock.advance(2 * holds);
    let now = test.clock.now();
    store.take_turn("sync", now, after(now, holds)).await.expect("an answer").expect("another takes it");
    says("late");
    let late = intake::read_in_turn(&test.flow, &source, &|_| (), InTurn { turn: &turn, holds }).await;
    assert!(matches!(late, Err(FlowError::Interrupted { .. })), "{late:?}");
    assert_eq!(store.cursor(&source).await.expect("a cursor").as_deref(), Some("ours"));
}
