//! Ways around the outbound client, planted one by one: the build fails with an unfulfilled expectation if the lint misses one.
//!
//! Nothing is called. Clippy with `-D warnings` is the test; the one beside it sees that the list is whole.

/// Names each function of `clippy.toml` that opens a connection.
#[test]
fn ways_around_the_client_are_seen_by_the_lint() {
    #[expect(clippy::disallowed_methods, reason = "planted: reqwest::get")]
    let _ = reqwest::get::<&str>;
    #[expect(clippy::disallowed_methods, reason = "planted: reqwest::Client::new")]
    let _ = reqwest::Client::new;
    #[expect(clippy::disallowed_methods, reason = "planted: reqwest::Client::builder")]
    let _ = reqwest::Client::builder;
    #[expect(clippy::disallowed_methods, reason = "planted: reqwest::ClientBuilder::new")]
    let _ = reqwest::ClientBuilder::new;
    #[expect(clippy::disallowed_methods, reason = "planted: std::net::TcpStream::connect")]
    let _ = std::net::TcpStream::connect::<&str>;
    #[expect(clippy::disallowed_methods, reason = "planted: std::net::TcpStream::connect_timeout")]
    let _ = std::net::TcpStream::connect_timeout;
    #[expect(clippy::disallowed_methods, reason = "planted: std::net::UdpSocket::bind")]
    let _ = std::net::UdpSocket::bind::<&str>;
    #[expect(clippy::disallowed_methods, reason = "planted: std::net::ToSocketAddrs::to_socket_addrs")]
    let _ = <str as std::net::ToSocketAddrs>::to_socket_addrs;
    #[expect(clippy::disallowed_methods, reason = "planted: tokio::net::TcpStream::connect")]
    let _ = tokio::net::TcpStream::connect::<&str>;
    #[expect(clippy::disallowed_methods, reason = "planted: tokio::net::TcpSocket::connect")]
    let _ = tokio::net::TcpSocket::connect;
    #[expect(clippy::disallowed_methods, reason = "planted: tokio::net::UdpSocket::bind")]
    let _ = tokio::net::UdpSocket::bind::<&str>;
    #[expect(clippy::disallowed_methods, reason = "planted: tokio::net::lookup_host")]
    let _ = tokio::net::lookup_host::<&str>;
}
