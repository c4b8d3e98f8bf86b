//! Connections.
//!
//! In: a bound listener and what answers requests. Out: nothing, once told to stop and requests in
//! flight are done or out of time. Unlike axum's own loop it ends connections whose next request's
//! head does not come, because slow senders must not use up the descriptors.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// For the head of a request, also of the next one on a connection that is kept.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// Accepting fails when descriptors are used up, and goes on failing until some are free.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `stop` is done, and then for `drain` at most.
pub(crate) async fn listen(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let connections = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        // An answer is one or two small writes; waiting to fill a packet only delays it.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(drain, connections.shutdown()).await.is_err() {
        tracing::warn!("requests were still running when the drain time was over");
    }
}
