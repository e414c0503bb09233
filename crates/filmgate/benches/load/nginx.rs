//! nginx as a plain reverse proxy: what a gateway costs that does nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{Usage, usage};

/// Where Debian puts it, which is not on everybody's path.
const PLACES: [&str; 3] = ["nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"];

/// A running nginx. Dropping it ends it.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts it, if it is installed.
    pub(crate) async fn start(directory: &Path, upstream: SocketAddr) -> Option<Self> {
        let runs = |name: &&&str| {
            Command::new(name).arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let name = PLACES.iter().find(runs)?;
        let address = free_address();
        let directory = directory.join("nginx");
        std::fs::create_dir_all(&directory).expect("a directory");
        let config = directory.join("nginx.conf");
        std::fs::write(&config, configuration(&directory, address, upstream)).expect("a file");
        let child = Command::new(name).arg("-p").arg(&directory).arg("-c").arg(&config).spawn();
        let nginx = Self { child: child.expect("nginx runs"), address };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Some(nginx);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("nginx does not listen");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it and its workers have used so far.
    pub(crate) fn usage(&self) -> Usage {
        let pid = self.child.id();
        let workers = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let workers = workers.split_whitespace().filter_map(|pid| pid.parse().ok());
        workers.chain([pid]).map(usage).fold(Usage::default(), |all, one| Usage {
            cpu: all.cpu + one.cpu,
            resident: all.resident + one.resident,
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master ends its workers.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

fn configuration(directory: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let here = directory.display();
    format!(
        "daemon off;\nworker_processes auto;\npid {here}/pid;\nerror_log {here}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 100000000;\n  client_body_temp_path {here}/body;\n  \
         proxy_temp_path {here}/proxy;\n  fastcgi_temp_path {here}/fastcgi;\n  uwsgi_temp_path {here}/uwsgi;\n  \
         scgi_temp_path {here}/scgi;\n  \
         upstream one {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}\n  \
         server {{\n    listen {address} backlog=4096;\n    location / {{\n      proxy_pass http://one;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    )
}
