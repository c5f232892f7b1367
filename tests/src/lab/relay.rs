//! Carries a connection from one loopback over the lab's network to another.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// Listens in the network of the calling thread and passes every connection on.
pub(super) fn start(listen: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(listen).unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            std::thread::spawn(move || drop(carry(&near, to)));
        }
    });
}

fn carry(near: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let far = TcpStream::connect(to)?;
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
