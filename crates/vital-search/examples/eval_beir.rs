use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
fn main() {
    let set = vital_search::eval::BeirSet::read(std::path::Path::new(&std::env::args().nth(1).unwrap())).unwrap();
    if let Poll::Ready(r) = pin!(vital_search::eval::evaluate(&set, None, &|_| {})).poll(&mut Context::from_waker(Waker::noop())) {
        println!("{:#?}", r.unwrap());
    }
}
