//! The queue as apalis sees it: a backend that hands out what the pump has claimed.
//!
//! apalis gives the worker, the layers, the concurrency and the Monitor. The claim, the lease, the
//! retry and the shutdown are ours: its stock storages lose or strand work in known cases.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis::prelude::{
    Backend, BoxDynError, Monitor, ParallelizeExt as _, Task, TaskBuilder, WorkerBuilder, WorkerContext,
};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tower::layer::util::Identity;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service};

use super::Handler;
use super::pump::{Ending, Pump, Returned, Shared, Shelf};
use crate::storage::{ClaimedJob, JobEnd};

/// Runs one worker until the stop, and another in its place should it ever end by itself.
pub(super) async fn monitor(shared: Arc<Shared>, handler: Arc<dyn Handler>) {
    let renewals = tokio::spawn(Arc::clone(&shared).renew_leases());
    let pumps = Pumps::default();
    let monitored = Monitor::new()
        .register({
            let (shared, pumps) = (Arc::clone(&shared), pumps.clone());
            move |restarts| {
                let backend = PumpBackend::start(&shared, &handler, &pumps);
                let ack = AckLayer { returned: backend.returned.clone(), handler: Arc::clone(&handler) };
                let handler = Arc::clone(&handler);
                WorkerBuilder::new(format!("worker-{restarts}"))
                    .backend(backend)
                    .layer(ConcurrencyLimitLayer::new(shared.settings.slots))
                    .parallelize(tokio::spawn)
                    .layer(ack)
                    .build(move |job: ClaimedJob| {
                        let handler = Arc::clone(&handler);
                        async move { Ok::<JobEnd, Infallible>(handler.run(job).await) }
                    })
            }
        })
        .should_restart(|_, error| {
            tracing::error!(%error, "worker ended by itself, starting another");
            true
        });
    let mut stopping = shared.stopping();
    let stop = async move {
        // An error means that nobody can ask any more: stop.
        let _ = stopping.wait_for(|stop| *stop).await;
        Ok(())
    };
    if let Err(error) = monitored.run_with_signal(stop).await {
        tracing::error!(%error, "workers did not end well");
    }
    pumps.join().await;
    renewals.abort();
}

/// Every pump that was started: a worker may go before its last handler, the pump may not.
#[derive(Clone, Default)]
struct Pumps(Arc<std::sync::Mutex<Vec<JoinHandle<()>>>>);

impl Pumps {
    fn add(&self, pump: JoinHandle<()>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(pump);
    }

    async fn join(&self) {
        let pumps = std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for pump in pumps {
            // A pump that panicked leaves its leases to end by themselves.
            let _ = pump.await;
        }
    }
}

/// The backend: a shelf that the pump fills. Dropping it tells the pump to come to an end.
struct PumpBackend {
    shelf: Arc<Shelf>,
    returned: mpsc::UnboundedSender<Returned>,
    closing: watch::Sender<bool>,
}

impl PumpBackend {
    fn start(shared: &Arc<Shared>, handler: &Arc<dyn Handler>, pumps: &Pumps) -> Self {
        let shelf = Arc::new(Shelf::default());
        let (returned, inbox) = mpsc::unbounded_channel();
        let (closing, is_closing) = watch::channel(false);
        let pump = Pump {
            shared: Arc::clone(shared),
            handler: Arc::clone(handler),
            shelf: Arc::clone(&shelf),
            returned: inbox,
            wake_ups: shared.queue.wake_ups(),
            closing: is_closing,
            in_flight: 0,
            settlements: Vec::new(),
            releases: Vec::new(),
        };
        pumps.add(tokio::spawn(pump.run()));
        Self { shelf, returned, closing }
    }
}

impl Backend for PumpBackend {
    type Task = Task<ClaimedJob>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        self.shelf.poll_take(cx).map(|job| job.map(|job| Ok(TaskBuilder::new(job).build())))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        // The pump takes the shelf back and is waited for by whoever started the monitor.
        self.closing.send_replace(true);
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for PumpBackend {
    type Args = ClaimedJob;
    type Id = i64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Sends the ending of every job to the pump, from the task that ran it: a worker that goes away
/// takes no ending with it.
#[derive(Clone)]
struct AckLayer {
    returned: mpsc::UnboundedSender<Returned>,
    handler: Arc<dyn Handler>,
}

impl<S> Layer<S> for AckLayer {
    type Service = AckService<S>;

    fn layer(&self, inner: S) -> AckService<S> {
        AckService { inner, ack: self.clone() }
    }
}

struct AckService<S> {
    inner: S,
    ack: AckLayer,
}

impl<S> Service<Task<ClaimedJob>> for AckService<S>
where
    S: Service<Task<ClaimedJob>, Response = JobEnd, Error = BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<ClaimedJob>) -> Self::Future {
        let job = task.args.clone();
        let ending = Ending::of(job.lease, self.ack.returned.clone());
        let handler = Arc::clone(&self.ack.handler);
        let run = self.inner.call(task);
        async move {
            let end = match AssertUnwindSafe(run).catch_unwind().await {
                Ok(Ok(end)) => end,
                Ok(Err(error)) => panicked(&*handler, job, error.to_string()).await,
                Err(panic) => panicked(&*handler, job, words(&*panic)).await,
            };
            ending.send(end);
            Ok(())
        }
        .boxed()
    }
}

/// Lets the flow answer for a job that panicked; when even that panics the job is parked.
async fn panicked(handler: &dyn Handler, job: ClaimedJob, message: String) -> JobEnd {
    tracing::error!(job = %job.lease.job, message, "handler panicked");
    AssertUnwindSafe(handler.panicked(job, message)).catch_unwind().await.unwrap_or(JobEnd::Parked)
}

fn words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without words".to_owned())
}
