//! One `PostgreSQL` server for all tests of a process that need one at the same time. Each of them
//! gets a database of its own; the last to go stops the server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::private_postgres::PrivatePostgres;

/// An empty database on a server that others may use too.
#[derive(Debug, Clone)]
pub struct SharedDatabase {
    /// Its address.
    pub url: String,
    /// The server lives as long as somebody needs it.
    pub server: Arc<PrivatePostgres>,
}

impl SharedDatabase {
    /// Makes one. Panics with what to install where `PostgreSQL` is missing.
    pub fn fresh() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let name = format!("raccordo_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = server.new_database(&name).expect("a database");
        Self { url, server }
    }
}

fn server() -> Arc<PrivatePostgres> {
    static SERVER: Mutex<Weak<PrivatePostgres>> = Mutex::new(Weak::new());
    let mut server = SERVER.lock().expect("the server starts");
    server.upgrade().unwrap_or_else(|| {
        let started = Arc::new(PrivatePostgres::start().expect("PostgreSQL starts"));
        *server = Arc::downgrade(&started);
        started
    })
}
