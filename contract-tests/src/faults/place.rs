//! A place of work: a folder with its configuration, a client that writes documents, a target that
//! takes publications, and the program between them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::client::Client;
use super::oracle::{self, Allowed};
use super::program::{Ended, Running};
use super::programme::{Database, Figures, Plan};
use super::store::Where;
use super::target::Target;
use crate::shared_postgres::SharedDatabase;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a place may take to deliver everything once nothing is wrong any more.
const CONVERGENCE: Duration = Duration::from_mins(1);

/// Seconds that one run of it may wait: a run whose database has failed waits in vain.
const AT_ONCE: &str = "15";

/// A place of work.
#[derive(Debug)]
pub struct Place {
    folder: Option<TempDir>,
    path: PathBuf,
    program: PathBuf,
    planted: Option<&'static str>,
    /// The target.
    pub target: Target,
    /// The client.
    pub client: Client,
    /// The database.
    pub store: Where,
    /// Documents in the inbox that were not acknowledged yet, with their digests.
    pub waiting: Vec<(PathBuf, String)>,
    _server: Option<SharedDatabase>,
}

impl Place {
    /// A new one, under the folder of the plan.
    pub fn new(plan: &Plan) -> Result<Self> {
        Self::with_file(plan, Path::new("raccordo.db"))
    }

    /// A new one, with its database on this server.
    pub fn on_server(plan: &Plan, url: &str) -> Result<Self> {
        let mut place = Self::new(plan)?;
        let configuration = place.path.join("raccordo.toml");
        let written = std::fs::read_to_string(&configuration)?;
        let rest = written.split_once("[http]").context("a configuration")?.1;
        std::fs::write(&configuration, format!("[storage]\nurl = \"{url}\"\n\n[http]{rest}"))?;
        place.store = Where::Server(url.to_owned());
        Ok(place)
    }

    /// A new one, whose target knows no keys and is waited for that many seconds.
    pub fn without_keys(plan: &Plan, total_seconds: u64) -> Result<Self> {
        let place = Self::new(plan)?;
        place.target.forget_keys();
        let configuration = place.path.join("raccordo.toml");
        let resend_after = (total_seconds * 3).div_ceil(2);
        let written = std::fs::read_to_string(&configuration)?
            .replace("honours_keys = true\n", "")
            .replace(
                "read_seconds = 12, total_seconds = 14",
                &format!("read_seconds = {total_seconds}, total_seconds = {total_seconds}"),
            )
            .replace("[work]\n", &format!("[work]\nresend_after_seconds = {resend_after}\n"));
        std::fs::write(&configuration, written)?;
        Ok(place)
    }

    /// A new one, with its database in this file, in its folder or elsewhere.
    pub fn with_file(plan: &Plan, file: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("faults-").tempdir_in(&plan.parent)?;
        let path = folder.path().to_owned();
        let target = Target::start()?;
        let mut server = None;
        let (storage, store) = match plan.database {
            Database::Sqlite => {
                // Room is kept free in the measure of the small disks of this programme.
                let limits = "hold_below_mebibytes = 4\nresume_above_mebibytes = 6";
                (format!("path = \"{}\"\n{limits}", file.display()), Where::File(path.join(file)))
            }
            Database::Postgres => {
                let database = SharedDatabase::fresh();
                let url = database.url.clone();
                server = Some(database);
                (format!("url = \"{url}\""), Where::Server(url))
            }
        };
        for folder in ["inbox", "documents"] {
            std::fs::create_dir_all(path.join(folder))?;
        }
        let key = path.join("key");
        std::fs::write(&key, "chiave-di-prova")?;
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let configuration = format!(
            "[storage]\n{storage}\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n[work]\nslots = 8\nlease_seconds = 61\n\
             collapse_seconds = 0\n\n[schedule]\nsync_minutes = 1\n\n[systems.file-drop]\n\
             settings = {{ folder = \"inbox\" }}\n\n[systems.hub]\nhonours_keys = true\nsettings = {{ base_url = \"http://{}/v0\", \
             key_file = \"key\", connect_seconds = 2, read_seconds = 12, total_seconds = 14 }}\n",
            target.address()
        );
        std::fs::write(path.join("raccordo.toml"), configuration)?;
        Ok(Self {
            folder: Some(folder),
            path,
            program: plan.program.clone(),
            planted: plan.planted,
            target,
            client: Client::default(),
            store,
            waiting: Vec::new(),
            _server: server,
        })
    }

    /// Where the client puts what the schedule reads.
    pub fn inbox(&self) -> PathBuf {
        self.path.join("inbox")
    }

    /// Where the client puts what is imported by name.
    pub fn documents(&self) -> PathBuf {
        self.path.join("documents")
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        self.start_with(arguments, &[])
    }

    /// Starts the program with something in its environment.
    pub fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.arg("--json").arg("--folder").arg(&self.path).args(arguments);
        command.env_remove("FAILPOINTS").env("RACCORDO_LOG", "info").envs(environment.iter().copied());
        if let Some(bug) = self.planted {
            command.env("RACCORDO_PLANTED_BUG", bug);
        }
        Running::start(&mut command, &self.path.join("log"))
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.start(arguments)?.wait(PATIENCE)
    }

    /// Writes a document and imports it until it is acknowledged.
    pub fn import(&mut self, ids: &[String], name: &str) -> Result<()> {
        let (file, digest) = self.client.write(&self.documents(), name, ids)?;
        self.import_file(&file, &digest)
    }

    /// Imports a document until it is acknowledged.
    pub fn import_file(&mut self, file: &Path, digest: &str) -> Result<()> {
        let ended = self.run(&["import", "file-drop", text(file)?])?;
        ensure!(ended.code() == Some(0), "an import without faults ended with {}: {}", ended.status, ended.printed);
        self.client.acknowledged(digest);
        Ok(())
    }

    /// Writes a document that the schedule will read. It is acknowledged when a run has counted it.
    pub fn drop_in(&mut self, ids: &[String], name: &str) -> Result<()> {
        let inbox = self.inbox();
        let waiting = self.client.write(&inbox, name, ids)?;
        self.waiting.push(waiting);
        Ok(())
    }

    /// Reads the inbox to its end, and waits for no delivery.
    pub fn read_inbox(&mut self) -> Result<()> {
        let ended = self.run(&["sync", "file-drop", "--wait", "0"])?;
        let facts = ended.json()?;
        let is_read = facts["sources"]["file-drop"].is_object() && facts["balanced"] == Value::Bool(true);
        ensure!(is_read, "a read of the inbox ended with {}: {facts}", ended.status);
        self.read_all()
    }

    /// A run read everything in the inbox: its documents are acknowledged and taken away.
    fn read_all(&mut self) -> Result<()> {
        for (file, digest) in std::mem::take(&mut self.waiting) {
            self.client.acknowledged(&digest);
            std::fs::rename(&file, self.documents().join(file.file_name().context("a name")?))?;
        }
        Ok(())
    }

    /// Whether nothing is open but what may be, of the publications: lanes are judged by themselves,
    /// and a step that waits in one becomes due again.
    pub fn is_settled(&self, allowed: &Allowed) -> Result<bool> {
        // No unit has an empty key: a list that is never empty is understood by every database.
        let names = allowed.open_units.iter().map(String::as_str).chain([""]);
        let names: Vec<_> = names.map(|unit| format!("'{unit}'")).collect();
        let open = self.store.number(&format!(
            "select count(*) from delivery where target = 'hub' and state in ('due', 'sent', 'retry', 'in_doubt')
                and unit_key not in ({})",
            names.join(", ")
        ))?;
        Ok(open == 0)
    }

    /// Delivers until nothing is open but what may be. Gives how long it took; none when something
    /// else stayed open.
    pub fn converge(&mut self, allowed: &Allowed) -> Result<Option<Duration>> {
        let begun = Instant::now();
        let patience = if allowed.may_take_long.is_some() { CONVERGENCE * 3 } else { CONVERGENCE };
        while begun.elapsed() < patience {
            let ended = self.run(&["sync", "file-drop", "--wait", AT_ONCE])?;
            let facts = ended.json();
            match ended.code() {
                // Something was refused or set aside: for the oracle to judge.
                Some(0 | 1 | 5) => {
                    ensure!(facts?["balanced"] == Value::Bool(true), "the program's own totals do not balance");
                    self.read_all()?;
                    return Ok(Some(begun.elapsed()));
                }
                Some(4) if facts.is_ok() && self.is_settled(allowed)? => {
                    self.read_all()?;
                    return Ok(Some(begun.elapsed()));
                }
                Some(4) => {}
                _ => bail!("sync ended with {}: {}", ended.status, ended.printed),
            }
        }
        Ok(None)
    }

    /// Delivers everything, then judges.
    pub fn settle(&mut self, figures: &mut Figures, allowed: &Allowed) -> Result<()> {
        if let Some(took) = self.converge(allowed)? {
            figures.recoveries.push(took);
            if took > Duration::from_secs(30) && allowed.may_take_long.is_none() {
                figures.violated(format!("I14: everything was delivered only after {} s", took.as_secs()));
            }
        }
        self.judge(figures, allowed)
    }

    /// Judges what stands, without delivering anything.
    pub fn judge(&self, figures: &mut Figures, allowed: &Allowed) -> Result<()> {
        let reading = self.store.read().context("reading the database behind the product's back")?;
        let before = figures.violations.len();
        oracle::judge(&self.client, &self.target, &reading, allowed, figures);
        self.ask_the_product(figures, allowed, &reading)?;
        if figures.violations.len() > before {
            figures.remarks.push(format!("what was found stands in {}.kept", self.path.display()));
            self.keep();
        }
        Ok(())
    }

    /// What the product itself says must agree with what was read behind its back.
    fn ask_the_product(&self, figures: &mut Figures, allowed: &Allowed, reading: &super::store::Reading) -> Result<()> {
        let ended = self.run(&["reconcile", "hub"])?;
        let Ok(facts) = ended.json() else {
            figures.violated(format!("I10: reconciliation cannot be made: {}", ended.status));
            return Ok(());
        };
        let count = |name: &str| facts["counts"][name].as_u64().unwrap_or_default();
        if facts["complete"] != Value::Bool(true) {
            figures.violated(format!("I10: reconciliation is incomplete: {facts}"));
        } else if count("different") + count("missing_there") + count("missing_here") > 0
            || (allowed.open_units.is_empty() && count("equal") != count("expected"))
        {
            figures.violated(format!("I10: reconciliation finds differences: {}", facts["counts"]));
        }
        // One that was changed often says most.
        let busiest = self.client.records.iter().max_by_key(|(_, known)| known.acknowledged.len());
        let Some((id, _)) = busiest.filter(|(_, known)| !known.acknowledged.is_empty()) else { return Ok(()) };
        let key = format!("prova/{id}");
        let trace = self.run(&["trace", &key])?.json()?;
        let length = |value: &Value| value.as_array().map_or(0, Vec::len);
        let versions = reading.versions.iter().filter(|version| version.key == key).count();
        if length(&trace["versions"]) != versions {
            figures.violated(format!("trace of {key} shows {} versions of {versions}", length(&trace["versions"])));
        }
        let delivery = reading.deliveries.iter().find(|delivery| delivery.unit_key == super::client::unit(id));
        let attempts = reading.attempts.iter().filter(|it| delivery.is_some_and(|of| of.id == it.delivery)).count();
        let shown: usize =
            trace["deliveries"].as_array().into_iter().flatten().map(|delivery| length(&delivery["attempts"])).sum();
        if shown != attempts {
            figures.violated(format!("trace of {key} shows {shown} attempts of {attempts}"));
        }
        Ok(())
    }

    /// Keeps the folder for somebody to look at.
    fn keep(&self) {
        let copy = self.path.with_extension("kept");
        // What cannot be copied is not worth failing for: the violation itself is told.
        let _ = Command::new("cp").arg("-r").arg(&self.path).arg(copy).status();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.folder.take());
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
