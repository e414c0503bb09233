//! The unit of systemd, and what filmgate tells whoever started it as systemd does.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{text_of, time_to_stop};
use crate::app::{binary, client};

const UNIT: &str = "packaging/systemd/filmgate.service";

/// The values of a key in the unit's `[Service]`, in order.
fn service(key: &str) -> Vec<String> {
    let text = text_of(UNIT);
    let section = text.split("\n[Service]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let lines = section.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

fn one(key: &str) -> String {
    let [value] = &service(key)[..] else { panic!("not one {key}") };
    value.clone()
}

fn span(key: &str) -> Duration {
    humantime::parse_duration(&one(key)).unwrap()
}

/// A command line of the unit with the program under test, in the unit's environment: `%S` is a directory.
fn command(line: &str, state: &Path) -> Command {
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/filmgate"));
    let state = state.display().to_string();
    let mut command = Command::new(binary());
    command.args(words).env_clear().current_dir(one("WorkingDirectory").replace("%S", &state));
    for pair in service("Environment") {
        let (name, value) = pair.split_once('=').unwrap();
        command.env(name, value.replace("%S", &state));
    }
    // The machine's port 8000 is not ours.
    command.env("FILMGATE__SERVER__LISTEN", "127.0.0.1:0");
    command
}

/// The manager's end.
struct Manager {
    socket: UnixDatagram,
    state: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join(one("StateDirectory"))).unwrap();
        let socket = UnixDatagram::bind(state.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { socket, state }
    }

    fn start(&self, watchdog: Option<Duration>) -> Process {
        let mut command = command(&one("ExecStart"), self.state.path());
        command.env("NOTIFY_SOCKET", self.state.path().join("notify"));
        if let Some(patience) = watchdog {
            command.env("WATCHDOG_USEC", patience.as_micros().to_string());
        }
        Process::start(command)
    }

    /// The next message, line by line.
    fn hears(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }

    fn reload(&self, process: &Process) -> bool {
        let lines = service("ExecReload");
        let [check, hang_up] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(hang_up, "/bin/kill -HUP $MAINPID");
        let is_right = command(check, self.state.path()).output().unwrap().status.success();
        if is_right {
            process.signal("HUP");
        }
        is_right
    }
}

#[tokio::test]
async fn the_manager_hears_of_start_reload_and_stop() {
    assert_eq!(one("Type"), "notify");
    let manager = Manager::new();
    let mut filmgate = manager.start(None);
    let ready = manager.hears();
    assert_eq!(ready[0], "READY=1");
    let url = ready[1].strip_prefix("STATUS=at ").unwrap();
    // Ready means that it answers.
    let answer = client().get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ready\n");

    assert!(manager.reload(&filmgate));
    let reloading = manager.hears();
    assert_eq!(reloading[0], "RELOADING=1");
    let at: u64 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(at > 0);
    assert_eq!(manager.hears(), ["READY=1"]);

    let file = manager.state.path().join("filmgate/filmgate.toml");
    std::fs::write(&file, "[video]\nupgrade_reserve = 7\n").unwrap();
    assert!(!manager.reload(&filmgate), "a bad file is a failed reload");
    // One that was not checked ends all the same; the log says that it is not used.
    filmgate.signal("HUP");
    assert_eq!(manager.hears()[0], "RELOADING=1");
    assert_eq!(manager.hears(), ["READY=1"]);

    filmgate.signal("TERM");
    assert_eq!(manager.hears(), ["STOPPING=1"]);
    assert_eq!(filmgate.end().code(), Some(0), "{}", filmgate.err());
    assert!(filmgate.err().contains("the new configuration is not used"), "{}", filmgate.err());
}

#[test]
fn the_manager_hears_that_all_is_well_as_often_as_it_asked_for() {
    let manager = Manager::new();
    let mut filmgate = manager.start(Some(Duration::from_millis(600)));
    assert_eq!(manager.hears()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hears(), ["WATCHDOG=1"]);
    }
    filmgate.signal("TERM");
    assert_eq!(filmgate.end().code(), Some(0), "{}", filmgate.err());
}

#[test]
fn without_a_manager_nothing_is_missing() {
    let manager = Manager::new();
    std::fs::remove_file(manager.state.path().join("notify")).unwrap();
    let mut filmgate = manager.start(None);
    let server = manager.state.path().join("filmgate/server.json");
    while !server.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    filmgate.signal("TERM");
    assert_eq!(filmgate.end().code(), Some(0), "{}", filmgate.err());
    assert!(filmgate.err().contains("the service manager cannot be told"), "{}", filmgate.err());
}

#[test]
fn the_unit_fits_the_program() {
    assert!(span("TimeoutStopSec") > time_to_stop());
    assert!(span("WatchdogSec") >= Duration::from_secs(30), "three questions of it are no load");
    assert_eq!(one("Restart"), "on-failure");
    // The data directory is the one that the service may write to.
    let state = one("StateDirectory");
    assert_eq!(service("Environment"), [format!("FILMGATE_DATA_DIR=%S/{state}")]);
    assert_eq!(one("WorkingDirectory"), format!("%S/{state}"));
    for (key, value) in [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
    ] {
        assert_eq!(one(key), value, "{key}");
    }
}
