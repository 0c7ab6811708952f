//! What may still take effect: a request of a process that is gone, at which the target is still at work.

use std::time::Duration;

use contract::Shipment;
use raccordo::clock::{Clock, after, between};
use raccordo::delivery::DeliveryState;
use raccordo::flow::Flow;
use raccordo::flow::deliver;
use raccordo::flow::deliver::doubt::{RESEND_AFTER, Resend};
use raccordo::storage::{ClaimRequest, Fenced, Intent, JobSubject};

use crate::bench::{TestFlow, lotto, unit};

/// A process commits its intent and sends; it is killed, and another one begins at once. The target has
/// not even begun. Gives what is on its way.
async fn killed_while_sending(test: &TestFlow) -> Shipment {
    test.read("a", &[lotto(1, "una scuola")]).await;
    let (store, now) = (&test.flow.store, test.clock.now());
    let claim = ClaimRequest { limit: 1, now, lease_until: after(now, Duration::from_secs(90)) };
    let job = store.round(&[], claim).await.expect("a round").claimed.remove(0);
    let JobSubject::Deliver(delivery) = job.subject else { panic!("an unexpected job") };
    let loaded = store.load(delivery).await.expect("loaded").expect("it exists");
    let target = test.flow.systems["target"].target().expect("a target");
    let shipment = Shipment {
        unit: loaded.unit.clone(),
        revision: 1,
        idempotency_key: deliver::idempotency_key("target", &loaded.unit, 1),
        body: target.compose(&loaded.unit, 1, &loaded.members).expect("composed").body,
        previous_receipt: None,
    };
    let intent = Intent { delivery, lease: job.lease, shipment: shipment.clone() };
    let begun = store.begin_attempt(intent, now).await.expect("begun");
    assert!(matches!(begun, Fenced::Done(_)));
    test.clock.advance(Duration::from_secs(1));
    assert_eq!(store.take_back(test.clock.now(), 12).await.expect("taken back"), 1);
    shipment
}

#[tokio::test]
async fn what_a_target_without_keys_may_still_be_at_work_on_is_not_sent_again_but_asked_about() {
    let test = TestFlow::new().await;
    let shipment = killed_while_sending(&test).await;
    for _ in 0..60 {
        test.step().await;
        assert_eq!(test.target.attempts(), 0, "the first may still take effect");
        test.clock.advance(Duration::from_secs(1));
    }
    let state = test.delivery(1).await.state;
    assert!(matches!(&state, DeliveryState::InDoubt { code, .. } if code == "interrupted"), "{state:?}");
    // The request of the process that was killed takes effect after all.
    test.flow.systems["target"].target().expect("a target").send(&shipment).await.expect("it takes effect");
    test.work().await;
    assert_eq!((test.effects(), test.target.attempts()), (vec![(unit(1).0, 1)], 1));
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
}

#[tokio::test]
async fn what_never_took_effect_is_sent_again_when_it_cannot_any_more() {
    let test = TestFlow::new().await;
    killed_while_sending(&test).await;
    test.work().await;
    assert_eq!((test.effects().len(), test.target.attempts()), (1, 1));
    let attempts = test.delivery(1).await.attempts;
    let pause = between(attempts[0].started_at, attempts[1].started_at);
    assert!(pause >= RESEND_AFTER && pause < RESEND_AFTER * 2, "{pause:?}");
}

#[tokio::test]
async fn a_target_that_honours_keys_is_sent_the_same_at_once() {
    let test = TestFlow::new().await;
    killed_while_sending(&test).await;
    let flow = Flow { resend: Resend::new(RESEND_AFTER, ["target".to_owned()].into()), ..test.flow.clone() };
    let test = TestFlow { flow, ..test };
    test.step().await;
    assert_eq!((test.effects().len(), test.target.attempts()), (1, 1));
}
