//! Taking the port.

use crate::failure::Failure;
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

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
