//! Carries connections on, from an address of its own: another machine, as the other side sees it.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Socket, Type};

/// Listens on a port of its own on loopback and carries what comes on to `to`, coming from `source`.
pub fn start(source: IpAddr, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let listens = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            std::thread::spawn(move || drop(carry(&near, source, to)));
        }
    });
    listens
}

fn carry(near: &TcpStream, source: IpAddr, to: SocketAddr) -> io::Result<()> {
    let far = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    far.bind(&SocketAddr::new(source, 0).into())?;
    far.connect(&to.into())?;
    let far = TcpStream::from(far);
    for (from, to) in [(near, &far), (&far, near)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        std::thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            // whichever side ended, the other learns it
            drop(to.shutdown(Shutdown::Both));
            drop(from.shutdown(Shutdown::Both));
        });
    }
    Ok(())
}
