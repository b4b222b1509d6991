//! The exporters that are scraped side by side: those of Debian that are installed, each on a port of its own.

use crate::load::http::Client;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program with metrics; killed when dropped.
#[derive(Debug)]
pub(super) struct Exporter {
    child: Child,
    /// Its job in the configuration.
    pub name: String,
    /// Where it listens on loopback.
    pub port: u16,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        drop(ended);
    }
}

/// Programs of Debian beside the node exporter, and their further flags; `{dir}` is a directory of their own.
const FURTHER: [(&str, &[&str]); 3] = [
    ("blackbox-exporter", &["--config.file={dir}/empty.yml"]),
    ("pushgateway", &[]),
    (
        "alertmanager",
        &[
            "--config.file={dir}/alertmanager.yml",
            "--storage.path={dir}",
            "--cluster.listen-address=",
        ],
    ),
];
const ALERTMANAGER: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

/// Starts the program and waits until it answers.
fn start(name: &str, binary: &Path, flags: &[String]) -> io::Result<Exporter> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = Command::new(binary)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let exporter = Exporter { child, name: name.to_owned(), port };
    for _ in 0..500 {
        if Client::new(port).get("/metrics").is_ok() {
            return Ok(exporter);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} does not answer")))
}

/// Starts the node exporter, and of the others beside it those that are there; `say` hears which are not.
pub(super) fn start_all(
    node_exporter: &Path,
    dir: &Path,
    say: &dyn Fn(&str),
) -> io::Result<Vec<Exporter>> {
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("empty.yml"), "modules: {}\n")?;
    std::fs::write(dir.join("alertmanager.yml"), ALERTMANAGER)?;
    let mut exporters = vec![start("node", node_exporter, &[])?];
    let beside = node_exporter.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    for (name, flags) in FURTHER {
        let binary = beside.join(format!("prometheus-{name}"));
        if !binary.exists() {
            say(&format!("{} is not installed: left out", binary.display()));
            continue;
        }
        let fill = |flag: &&str| flag.replace("{dir}", &dir.to_string_lossy());
        exporters.push(start(name, &binary, &flags.iter().map(fill).collect::<Vec<_>>())?);
    }
    Ok(exporters)
}
