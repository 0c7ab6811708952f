//! What a person decides about a delivery, where neither the target nor time will.

use super::{
    DeliveryId, DeliveryState, Desk, Standing, Trouble, give_job, instant, lanes, last_attempt_without_outcome,
    put_outcome, put_state, reopen, standing,
};
use crate::storage::sql::connection::{query, query_scalar};
use crate::storage::{Decided, Replay};

/// The code of what a person asks the target about again.
const ASKED: &str = "asked_again";
/// What stands with an attempt of which a person says that it did not arrive.
const NOT_ARRIVED: &str = "declared as not arrived";

/// Brings a delivery forward as a person says. Nothing is changed when it cannot be.
pub(in crate::storage::sql) async fn replay(
    desk: &mut Desk,
    delivery: DeliveryId,
    replay: Replay,
    reason: &str,
    at: i64,
) -> Result<Decided<DeliveryState>, Trouble> {
    let standing = standing(desk, delivery).await?;
    let state = &standing.state;
    match (replay, state) {
        (Replay::Again, DeliveryState::InDoubt { .. }) => ask_again(desk, delivery, &standing, at).await,
        (Replay::Again, DeliveryState::Parked { .. } | DeliveryState::Refused { .. }) => {
            reopen(desk, delivery, 0, reason.to_owned(), at).await?;
            Ok(Ok(self::standing(desk, delivery).await?.state))
        }
        (Replay::Again, other) => Ok(Err(format!("the delivery is {}: it waits for nobody", other.name()))),
        (Replay::Arrived, _) => arrived(desk, delivery, &standing, at).await,
        (Replay::NotArrived, _) => not_arrived(desk, delivery, &standing, at).await,
    }
}

/// The target is asked now instead of later.
async fn ask_again(
    desk: &mut Desk,
    delivery: DeliveryId,
    standing: &Standing,
    at: i64,
) -> Result<Decided<DeliveryState>, Trouble> {
    let state = standing.state.to(DeliveryState::InDoubt { code: ASKED.to_owned(), at: instant(at)? })?;
    put_state(desk, delivery, &state, at).await?;
    due_now(desk, delivery, standing, at).await?;
    Ok(Ok(state))
}

/// It arrived: the revision that was sent is the one that the target holds. There is no receipt.
async fn arrived(
    desk: &mut Desk,
    delivery: DeliveryId,
    standing: &Standing,
    at: i64,
) -> Result<Decided<DeliveryState>, Trouble> {
    let state = match standing.state.declared(DeliveryState::Acknowledged) {
        Ok(state) => state,
        Err(refused) => return Ok(Err(refused.to_string())),
    };
    let sent: Option<i64> = query_scalar("select max(revision) from shipment where delivery = $1")
        .bind(delivery.0)
        .fetch_one(&mut desk.connection)
        .await?;
    let Some(sent) = sent else { return Ok(Err("nothing was ever sent for it".to_owned())) };
    if let Some(attempt) = last_attempt_without_outcome(desk, delivery).await? {
        put_outcome(desk, delivery, attempt, &state, at).await?;
    }
    put_state(desk, delivery, &state, at).await?;
    query("update delivery set held_revision = $2 where id = $1")
        .bind(delivery.0)
        .bind(sent)
        .execute(&mut desk.connection)
        .await?;
    lanes::has_moved(desk, &standing.target, &standing.lane, at).await?;
    if standing.desired <= sent {
        return Ok(Ok(state));
    }
    // Newer changes arrived while nobody knew.
    let due = state.to(DeliveryState::Due)?;
    put_state(desk, delivery, &due, at).await?;
    due_now(desk, delivery, standing, at).await?;
    Ok(Ok(due))
}

/// It did not arrive: the revision stays, and with it the stored bytes and their key.
async fn not_arrived(
    desk: &mut Desk,
    delivery: DeliveryId,
    standing: &Standing,
    at: i64,
) -> Result<Decided<DeliveryState>, Trouble> {
    let state = match standing.state.declared(DeliveryState::Due) {
        Ok(state) => state,
        Err(refused) => return Ok(Err(refused.to_string())),
    };
    if let Some(attempt) = last_attempt_without_outcome(desk, delivery).await? {
        let outcome = DeliveryState::Parked { reason: NOT_ARRIVED.to_owned(), in_doubt: false };
        put_outcome(desk, delivery, attempt, &outcome, at).await?;
    }
    put_state(desk, delivery, &state, at).await?;
    due_now(desk, delivery, standing, at).await?;
    Ok(Ok(state))
}

/// Work on it begins at once. Whatever was discarded of it waits again.
pub(super) async fn due_now(
    desk: &mut Desk,
    delivery: DeliveryId,
    standing: &Standing,
    at: i64,
) -> Result<(), Trouble> {
    query("delete from discarded where what = 'delivery' and number = $1")
        .bind(delivery.0)
        .execute(&mut desk.connection)
        .await?;
    if give_job(desk, delivery, standing, at).await? {
        return Ok(());
    }
    // The job that waits for a retry waits no longer: somebody asked.
    query("update job set run_at = $2 where delivery = $1 and waits = 1 and run_at > $2")
        .bind(delivery.0)
        .bind(at)
        .execute(&mut desk.connection)
        .await?;
    desk.memory.has_woken = true;
    Ok(())
}
