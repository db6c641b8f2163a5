//! Taking the port, and room for the connections that come to it.

use crate::failure::Failure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

/// Open files besides connections: database, indexes, logs, provider.
const OTHER_FILES: u64 = 1_024;

/// Raises the limit of open files of this process, as far as the system allows, so that all connections have room.
pub(super) fn make_room(connections: usize) {
    let wanted = connections as u64 + OTHER_FILES;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let room = soft.max(wanted.min(hard));
        setrlimit(Resource::RLIMIT_NOFILE, room, hard).map(|()| room)
    });
    match raised {
        Ok(room) if room < wanted => {
            tracing::warn!(room, wanted, "the system allows fewer open files than connections are configured; further ones will wait");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

/// Takes an address.
///
/// # Errors
/// When it is taken, not of this machine, or needs rights that this process lacks.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        match error.kind() {
            io::ErrorKind::AddrInUse => Failure::new(format!("port `{port}` on `{}` is taken by another program", address.ip())).hint(
                format!("stop it (`ss -ltnp 'sport = :{port}'` names it), or choose another port with `--listen {}`", other_port(address)),
            ),
            io::ErrorKind::PermissionDenied => Failure::new(format!("this user may not listen on port `{port}`"))
                .hint(format!("ports below 1024 need rights; choose another with `--listen {}`", SocketAddr::new(address.ip(), 8080))),
            io::ErrorKind::AddrNotAvailable => {
                Failure::new(format!("`{}` is not an address of this machine", address.ip())).hint("listen on `127.0.0.1`")
            }
            _ => Failure::new(format!("`{address}` cannot be listened on: {error}")),
        }
        .into()
    })
}

fn other_port(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(8080))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_connections_and_never_taken_away() {
        let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        make_room(1);
        assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 >= before);
        make_room(4_096);
        assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 >= hard.min(5_120));
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_another_one() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = first.local_addr().unwrap();
        let error = bind(taken).await.unwrap_err();
        assert!(error.to_string().contains(&format!("port `{}`", taken.port())), "{error}");
        let failure = error.downcast::<Failure>().unwrap();
        assert!(format!("{failure:?}").contains(&other_port(taken).to_string()), "{failure:?}");
    }
}
