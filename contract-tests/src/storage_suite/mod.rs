//! Every promise of the storage traits, one case each, for any database.
//!
//! A database implements [`Database`]; [`storage_suite!`](crate::storage_suite) makes a test of
//! every case.

pub mod scene;
pub mod ledger;
pub mod units;
pub mod deliveries;
pub mod waiting;
pub mod rivals;
pub mod queue;
pub mod turns;
pub mod views;
pub mod families;
pub mod work_items;
pub mod retired;
pub mod lists;
pub mod repairs;
pub mod durability;
pub mod parked;
pub mod chain;
pub mod exchange;
pub mod webhooks;
pub mod signals;
pub mod exports;
pub mod calls;

use std::sync::Arc;

use async_trait::async_trait;
use canonical::values::CalendarDate;
use raccordo::storage::calls::CallCount;
use raccordo::storage::{StorageError, Store};

pub use scene::Scene;

/// A database under test, empty at the beginning.
#[async_trait]
pub trait Database: Send + Sync {
    /// Opens it. A database that only one process may open refuses while it is open.
    async fn open(&self) -> Result<Arc<dyn Store>, StorageError>;

    /// Lets go of what is open, as the end of a process does: nothing is tidied up.
    async fn end(&self);

    /// Whether several processes may have it open at the same time.
    fn is_shared(&self) -> bool;

    /// Runs a statement behind the back of the store. The error is the answer of the database.
    async fn execute(&self, sql: &str) -> Result<u64, String>;

    /// Takes a guard of a table away, as whoever owns the database can.
    async fn drop_trigger(&self, table: &str, trigger: &str);

    /// Asks for a number behind the back of the store.
    async fn number(&self, sql: &str) -> i64;

    /// Reads what is counted of the calls of a day, as whoever has not opened the store does.
    async fn calls_beside(&self, day: CalendarDate) -> Result<Vec<CallCount>, StorageError>;

    /// Recomputes the audit chain: how many entries stand, and where it breaks.
    async fn audit(&self) -> (u64, Option<String>);
}

/// Makes a test of every case. The expression gives a future of a fresh [`Database`].
#[macro_export]
macro_rules! storage_suite {
    ($fresh:expr) => {
        $crate::storage_suite! { @tests $fresh;
            ledger: [
                a_new_record_makes_a_version_a_delivery_and_a_job
                the_same_read_again_changes_nothing
                a_later_date_of_the_data_replaces_and_an_earlier_one_does_not
                on_the_same_date_the_later_document_replaces
                no_date_never_replaces_a_date
                a_key_that_returns_on_another_line_leaves_the_first
                the_same_line_read_with_other_rules_makes_a_version
                what_a_newer_document_confirmed_is_not_undone_by_a_late_one
                two_sources_never_write_over_each_other
                the_same_bytes_are_one_document
                records_on_one_line_are_told_apart
                what_stands_aside_is_kept_once_and_counted_each_time
                what_is_understood_later_stands_aside_no_longer
                a_finished_run_balances_and_takes_nothing_more
                a_refused_document_is_read_and_refused
                a_cursor_is_remembered
            ]
            units: [
                a_burst_bumps_a_unit_once
                several_records_of_a_unit_cause_one_job
                a_record_that_moves_bumps_both_units
                a_record_that_is_withheld_leaves_its_unit
                a_record_that_is_withheld_no_more_enters_its_unit
                a_settled_unit_is_due_again
                a_unit_on_its_way_keeps_its_state
                a_burst_is_due_when_its_first_change_was
                a_record_that_goes_nowhere_leaves_its_unit
                a_target_that_was_not_asked_keeps_its_members_and_is_owed_the_new_version
                a_unit_parked_in_doubt_is_observed_when_it_changes
            ]
            deliveries: [
                an_attempt_ends_with_a_receipt
                an_outcome_that_is_written_again_changes_nothing
                without_the_lease_nothing_is_written
                the_bytes_of_a_revision_never_change
                changes_during_an_attempt_make_it_due_again
                what_the_life_of_a_delivery_does_not_admit_is_refused
                an_attempt_cut_short_gets_its_outcome_later
                members_come_in_key_order
                a_parked_delivery_is_due_when_reopened
                a_repair_goes_beyond_the_revision_that_the_target_holds
                a_delivery_in_doubt_is_not_reopened
                reopening_wakes_the_job_that_waits_for_a_retry
                a_due_delivery_without_a_job_is_swept_up
                a_parked_job_is_not_swept_up_before_something_changes
                what_is_parked_in_doubt_is_observed_when_reopened
            ]
            waiting: [
                a_submitted_delivery_has_no_job_until_its_time_comes
                the_receipt_that_decided_is_told_of_the_delivery_and_the_first_of_its_attempt
                a_new_version_does_not_wait_for_the_decision_on_the_old_one
                a_held_step_is_looked_at_when_its_lane_moves
                neighbours_are_those_of_the_same_lane_and_target
                what_a_source_tells_of_a_contract_is_found_by_the_beginning_of_its_keys
                a_question_that_brings_no_news_leaves_no_trace
            ]
            rivals: [
                the_owner_takes_the_place_of_a_source_that_spoke_first
                a_source_that_is_not_the_owner_is_kept_and_not_delivered
                where_the_owner_is_not_routed_another_source_speaks
                among_equal_ranks_the_first_source_by_name_is_believed
                new_ranks_and_routes_change_who_is_believed
                an_owner_that_is_withheld_does_not_silence_the_others
                a_seat_that_the_owner_leaves_is_offered_to_those_who_waited
                routes_found_for_an_older_version_are_not_taken_and_are_found_again
            ]
            queue: [
                a_job_is_not_claimed_before_its_time
                only_the_oldest_open_job_of_a_lane_is_claimed
                a_retry_keeps_its_place_in_the_lane
                lanes_of_two_targets_are_free_of_each_other
                an_ending_after_the_lease_changes_nothing
                a_claimed_job_comes_back_when_its_lease_ends
                a_claimed_job_outlives_the_process_that_claimed_it
                tokens_rise_over_restarts
                a_job_that_never_answers_ends_aside_with_its_delivery
                a_new_process_takes_back_what_the_last_one_held
                a_job_that_ends_the_process_ends_aside_in_doubt
                a_released_job_is_ready_at_once_and_not_counted
                a_renewed_lease_holds_and_a_lost_one_is_named
                one_job_waits_for_a_delivery_and_a_leased_one_does_not_count
                a_retry_beside_a_waiting_job_becomes_that_job
                storing_beside_settling_never_fails
                the_next_job_is_announced
                finished_jobs_are_pruned_and_others_are_not
                a_commit_that_makes_work_ready_wakes_the_workers
            ]
            turns: [
                of_many_who_want_a_turn_one_gets_it
                a_turn_that_is_left_comes_again_when_it_is_due
                whoever_falls_silent_loses_the_turn_and_cannot_end_that_of_another
            ]
            views: [
                a_trace_tells_the_whole_life
                a_trace_finds_what_begins_with_the_key_and_a_slash
                a_trace_finds_what_stands_aside
                expected_units_come_page_by_page_in_byte_order
                the_overview_counts
                the_last_comparison_is_in_the_overview
                what_is_known_by_cig_comes_family_by_family
                deliveries_are_counted_by_target_and_state
            ]
            families: [
                what_speaks_of_a_lot_belongs_to_its_family
                a_lot_that_a_procedure_gives_up_loses_it
                what_has_no_cig_comes_key_by_key_with_the_photograph_before
                what_a_document_says_again_is_noted_until_the_next_document
                a_second_award_of_a_lot_is_no_repetition
                it_is_known_how_far_a_source_was_read
            ]
            work_items: [
                what_a_run_finds_is_work_until_a_complete_run_does_not_see_it
                the_same_found_again_changes_nothing_and_other_values_do
                what_is_missing_is_held_back_until_the_run_is_complete
                units_of_which_nothing_can_be_said_keep_their_work_items
                a_killed_run_goes_on_where_it_stopped
                a_run_that_was_killed_long_ago_is_begun_anew
                a_run_says_which_list_it_rested_on
                two_runs_of_a_comparison_never_overlap
                work_items_are_listed_by_filter_and_page
                a_group_tells_how_many_how_grave_how_much_and_since_when
                an_acceptance_ends_with_its_day_or_with_other_values
                a_decision_is_refused_where_the_state_does_not_admit_it
                a_repair_is_approved_by_somebody_else_or_not_at_all
                a_period_is_signed_off_with_what_stood_open
                what_happened_to_work_items_is_never_changed
                a_hundred_thousand_are_noted_in_seconds_and_grouped_at_once
            ]
            retired: [
                what_is_compared_no_more_ends_and_comes_back_as_it_was
                a_run_that_was_killed_before_its_name_went_away_is_not_taken_up
                a_comparison_that_is_under_way_is_not_retired
                many_work_items_end_and_come_back
            ]
            repairs: [
                a_repair_that_was_decided_is_begun_until_it_ends
                one_person_under_two_spellings_is_not_two
                what_was_escalated_is_told_once_and_anew_when_it_comes_back
                another_person_behind_the_same_mask_is_another_value
                no_personal_code_reaches_a_page_or_an_export
            ]
            lists: [
                a_hundred_thousand_open_are_listed_at_once
            ]
            durability: [
                what_was_answered_is_there_after_a_restart
                a_write_that_fails_takes_nothing_with_it
                a_database_of_another_program_is_refused_and_left_as_it_is
                append_only_tables_refuse_every_change
                the_schema_repeats_the_rules
                the_audit_chain_stands
                a_changed_audit_entry_is_found
                a_removed_audit_entry_is_found
            ]
            parked: [
                what_waits_is_listed_in_order_and_by_filter
                what_was_given_up_is_found_by_the_code_of_its_reason
                a_doubt_waits_for_a_person_when_it_lasts
                what_was_refused_is_due_again_as_a_new_revision
                a_doubt_that_arrived_is_acknowledged_by_declaration
                a_doubt_that_did_not_arrive_is_sent_again_as_it_was
                an_attempt_cut_short_ends_with_the_declaration
                only_a_doubt_can_be_declared
                a_discarded_delivery_comes_back_with_its_next_revision
                what_was_discarded_waits_again_when_it_is_reopened
                a_discarded_record_stays_away_when_its_line_is_read_again
                a_kept_record_is_understood_later_with_its_document
                a_refused_document_is_one_thing_until_it_is_read
            ]
            chain: [
                what_changes_in_passing_leaves_one_entry_for_all_of_it
                a_thousand_tamperings_are_found
                a_tail_that_was_cut_off_is_found_by_the_kept_head
            ]
            exchange: [
                eight_writers_and_a_reader_that_misses_nothing
                nobody_sees_what_is_not_his
                what_moves_to_another_body_is_seen_by_each_as_long_as_it_was_his
                records_are_found_by_what_they_name
                a_cursor_of_a_database_that_was_set_back_is_refused
                a_request_that_is_asked_again_is_known
            ]
            webhooks: [
                what_a_partner_was_told_is_told_once
                what_was_not_taken_keeps_its_name_and_its_bytes_over_a_restart
                who_was_stopped_is_told_again_when_a_person_says_so
                the_schema_keeps_messages_whole
            ]
            signals: [
                readers_are_told_of_what_changes_from_now_on_and_may_be_seen
                a_signal_keeps_its_number_and_its_bytes_until_it_is_taken
                a_number_that_somebody_else_uses_is_replaced_by_a_higher_one
                what_was_heard_and_that_there_is_a_reason_to_look_commit_together
                names_of_signals_are_those_of_records_or_begin_them
            ]
            exports: [
                the_same_export_is_made_once_and_nobody_has_too_many
                an_export_grows_piece_by_piece_over_a_restart
                a_part_of_an_export_is_read_from_any_byte
                an_export_that_failed_keeps_no_bytes_and_an_old_one_is_forgotten
                what_is_kept_for_a_partner_is_counted_without_what_failed
                who_asked_is_told_once
            ]
            calls: [
                calls_are_added_up_by_day_purpose_voucher_and_status
                a_batch_that_is_given_again_counts_once
                a_batch_is_written_whole_or_not_at_all
                many_counts_fit_into_a_batch
                what_was_counted_long_ago_is_forgotten_a_part_at_a_time
                calls_are_counted_since_the_database_was_made_or_the_first_count
                counts_are_read_beside_whoever_has_the_database_open
            ]
        }
    };
    (@tests $fresh:expr; $( $group:ident: [ $( $case:ident )+ ] )+) => { $(
        mod $group {
            #[allow(unused_imports, reason = "the expression may name what stands around the suite")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let database = $fresh.await;
                    $crate::storage_suite::$group::$case(&database).await;
                }
            )+
        }
    )+ };
}
