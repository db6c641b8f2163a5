//! A name server on the loopback, over UDP and TCP, that answers what a test tells it to, with a lifetime of 0 seconds.
//!
//! The messages are those of RFC 1035, written by hand: a test has to be able to lie in ways that a library refuses.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it listens on the loopback alone"
)]

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};

/// Types of records (RFC 1035 section 3.2.2, RFC 3596, RFC 8659).
const A: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const CAA: u16 = 257;
/// How often a port is sought that is free for UDP and TCP.
const PORT_TRIES: usize = 50;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name in lower case, without a closing dot.
    pub name: String,
    /// The type of record: `A`, `AAAA`, `CNAME`, `TXT`, `CAA`, or its number.
    pub kind: String,
    /// How often this name and type were asked for before.
    pub before: usize,
    /// Whether it was asked over TCP.
    pub tcp: bool,
}

/// What a record says.
#[derive(Clone, Debug)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name.
    Cname(String),
    /// Text of up to 255 bytes.
    Txt(String),
    /// Flags, tag and value (RFC 8659 section 4.1).
    Caa(u8, String, Vec<u8>),
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Records with their names; none means that the name has nothing of this type.
    Records(Vec<(String, Data)>),
    /// There is no such name (NXDOMAIN).
    NoName,
    /// The server failed (SERVFAIL).
    Fails,
    /// The answer did not fit (the TC bit), with what did.
    Truncated(Vec<(String, Data)>),
    /// Nothing at all.
    Silence,
}

impl Answer {
    /// One record of the name that was asked for.
    #[must_use]
    pub fn one(asked: &Asked, data: Data) -> Self {
        Self::Records(vec![(asked.name.clone(), data)])
    }
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A running name server. It ends when it is dropped.
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Desk {
    script: Box<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
    times: Mutex<HashMap<(String, String), usize>>,
}

impl NameServer {
    /// Starts one that answers by the script.
    pub async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let (tcp, udp) = both().await;
        let (address, asked) = (tcp.local_addr().unwrap(), Arc::default());
        let desk = Arc::new(Desk { script: Box::new(script), asked: Arc::clone(&asked), times: Mutex::default() });
        let over_udp = tokio::spawn(udp_desk(udp, Arc::clone(&desk)));
        let over_tcp = tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(tcp_desk(stream, Arc::clone(&desk)));
            }
        });
        Self { address, asked, tasks: [over_udp, over_tcp] }
    }

    /// What was asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn both() -> (TcpListener, UdpSocket) {
    for _ in 0..PORT_TRIES {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (tcp, udp);
        }
    }
    unreachable!("no port is free for UDP and TCP")
}

async fn udp_desk(socket: UdpSocket, desk: Arc<Desk>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if let Some(answer) = desk.answer(&buffer[..length], false) {
            // Whoever asked may be gone.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn tcp_desk(mut stream: TcpStream, desk: Arc<Desk>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = desk.answer(&question, true) else { continue };
        let framed = [&u16::try_from(answer.len()).unwrap().to_be_bytes(), answer.as_slice()].concat();
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}

impl Desk {
    fn answer(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let (name, end) = read_name(question, 12)?;
        let number = u16::from_be_bytes(question.get(end..end + 2)?.try_into().ok()?);
        let kind = match number {
            A => "A".to_owned(),
            CNAME => "CNAME".to_owned(),
            TXT => "TXT".to_owned(),
            AAAA => "AAAA".to_owned(),
            CAA => "CAA".to_owned(),
            other => other.to_string(),
        };
        let before = {
            let mut times = self.times.lock().unwrap();
            let times = times.entry((name.clone(), kind.clone())).or_default();
            *times += 1;
            *times - 1
        };
        let asked = Asked { name, kind, before, tcp };
        let answer = (self.script)(&asked);
        self.asked.lock().unwrap().push(asked);
        // Answer, recursion desired and available; then TC or the code.
        let (flags, records) = match answer {
            Answer::Records(records) => (0x8180_u16, records),
            Answer::Truncated(records) => (0x8380, records),
            Answer::NoName => (0x8183, Vec::new()),
            Answer::Fails => (0x8182, Vec::new()),
            Answer::Silence => return None,
        };
        let mut out = question.get(..2)?.to_vec();
        for part in [flags, 1, u16::try_from(records.len()).unwrap(), 0, 0] {
            out.extend(part.to_be_bytes());
        }
        out.extend(question.get(12..end + 4)?);
        records.iter().for_each(|(name, data)| write_record(&mut out, name, data));
        Some(out)
    }
}

/// Reads an uncompressed name and returns where it ends.
fn read_name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

fn name_bytes(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).chain([0]).collect()
}

fn write_record(out: &mut Vec<u8>, name: &str, data: &Data) {
    let text = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let (kind, bytes) = match data {
        Data::A(address) => (A, address.octets().to_vec()),
        Data::Aaaa(address) => (AAAA, address.octets().to_vec()),
        Data::Cname(name) => (CNAME, name_bytes(name)),
        Data::Txt(said) => (TXT, text(said.as_bytes())),
        Data::Caa(flags, tag, value) => (CAA, [&[*flags], text(tag.as_bytes()).as_slice(), value].concat()),
    };
    out.extend(name_bytes(name));
    out.extend(kind.to_be_bytes());
    // The class of the internet, and a lifetime of 0 seconds.
    out.extend([0, 1, 0, 0, 0, 0]);
    out.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend(bytes);
}
