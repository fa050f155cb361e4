//! A package index of one file on this machine.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// How the file is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// From the byte on that is asked for.
    Ranges,
    /// Always all of it.
    Whole,
    /// As with `Ranges`, and no more than so many bytes a connection.
    Breaking(usize),
    /// Not: the answer has this status.
    Refused(u16),
}

/// The server; it ends with the process.
pub struct Server {
    pub port: u16,
    /// The path of each request, with its range.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(file: &'static str, content: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client may have gone before it is answered.
                let _ = answer(stream.unwrap(), file, &content, manner, &log);
            }
        });
        Self { port, requests }
    }

    /// The ranges that were asked for of the file.
    pub fn ranges(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let ranges = requests.iter().filter_map(|line| line.split_once(".whl "));
        ranges.map(|(_, range)| range.to_owned()).collect()
    }
}

fn answer(
    mut stream: TcpStream,
    file: &str,
    content: &[u8],
    manner: Manner,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
    }
    log.lock().unwrap().push(format!("{path} {}", range.as_deref().unwrap_or("-")));

    let page =
        format!("<!DOCTYPE html><html><body><a href=\"/files/{file}\">{file}</a></body></html>");
    let mut head = String::from("Connection: close\r\n");
    let (status, body) = if path == "/simple/torch/" {
        head += "Content-Type: text/html\r\n";
        (200, page.as_bytes())
    } else if path != format!("/files/{file}") {
        (404, &b""[..])
    } else {
        let start = range.as_deref().and_then(|range| range.strip_prefix("bytes="));
        let start =
            start.and_then(|range| range.strip_suffix('-')).map(|start| start.parse().unwrap());
        match (manner, start) {
            (Manner::Refused(status), _) => (status, &b""[..]),
            (Manner::Whole, _) | (_, None) => (200, content),
            (_, Some(start)) => {
                let (last, all) = (content.len() - 1, content.len());
                write!(head, "Content-Range: bytes {start}-{last}/{all}\r\n").unwrap();
                (206, &content[start..])
            }
        }
    };
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{head}\r\n", body.len())?;
    let sent = match manner {
        Manner::Breaking(most) if path.ends_with(".whl") => &body[..most.min(body.len())],
        _ => body,
    };
    stream.write_all(sent)
}
