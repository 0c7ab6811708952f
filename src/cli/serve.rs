//! `raccordo serve`: the daemon.

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::output::Output;
use crate::http;
use crate::jobs::schedule;
use crate::node::Node;

pub(super) async fn run(mut node: Node, output: &Output) -> anyhow::Result<Exit> {
    let listen = node.config.http.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    let address = listener.local_addr().context("asking for the own address")?;
    node.start_workers();
    let scheduled = schedule::start(node.flow.clone(), &node.config.schedule);
    let pages = http::serve(listener, node.flow.clone());
    tracing::info!(%address, "serving");
    if output.is_json() {
        output.json(&serde_json::json!({ "page": format!("http://{address}/") }));
    } else {
        output.note(&format!("{} http://{address}/ – {}", output.words.page_at, output.words.stop_hint));
    }
    stop_signal().await?;
    tracing::info!("stopping");
    scheduled.stop().await;
    pages.stop().await;
    node.close().await;
    Ok(Exit::Done)
}

/// Waits for Ctrl+C or for the service manager.
pub(super) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl+C"),
        _ = terminate.recv() => Ok(()),
    }
}
