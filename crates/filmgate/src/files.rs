//! How many files, and so connections, the system lets this process have open.

/// So many connections are taken: `wanted`, or three quarters of what the system allows, so that files, upstreams and
/// webhooks never lack one. The system's soft limit is raised to its hard one first: many systems begin with 1024.
pub(crate) fn connections(wanted: usize) -> usize {
    let Some(allowed) = raised() else { return wanted };
    let most = (allowed / 4 * 3).max(1);
    if wanted > most {
        tracing::warn!(
            "the system lets filmgate open {allowed} files, so it takes {most} connections, not {wanted}; raise the \
             limit of open files (ulimit -n, LimitNOFILE), or lower server.max_connections"
        );
    }
    wanted.min(most)
}

/// The limit of open files once it is as high as it can be without asking anybody; `None` is no limit.
#[cfg(unix)]
fn raised() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // Some systems say that there is no limit, and have one.
    let allowed = if raised.is_ok() { maximum } else { current };
    allowed.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raised() -> Option<usize> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_all_else() {
        assert_eq!(connections(1), 1);
        if let Some(allowed) = raised() {
            assert_eq!(connections(usize::MAX), (allowed / 4 * 3).max(1));
            let current = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
            assert_eq!(current, Some(allowed as u64), "it is raised");
        }
    }
}
