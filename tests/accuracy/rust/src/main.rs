// SPDX-License-Identifier: Apache-2.0
// A server as many are: hyper on tokio's worker threads, calls in sequence and by tasks all at once.
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Client, Request, Response, Server};
use std::convert::Infallible;
use std::sync::Arc;

const PATHS: [&str; 4] = ["/one", "/two", "/three", "/four"];

struct Shared {
    client: Client<hyper::client::HttpConnector>,
    ports: Vec<String>,
}

async fn call(shared: Arc<Shared>, i: usize, id: String) {
    let uri = format!("http://127.0.0.1:{}{}?id={}", shared.ports[i], PATHS[i], id);
    let response = shared.client.get(uri.parse().unwrap()).await.unwrap();
    hyper::body::to_bytes(response.into_body()).await.unwrap();
}

async fn work(shared: Arc<Shared>, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let query = request.uri().query().unwrap_or("");
    let id = match query.strip_prefix("id=") {
        Some(id) => id.to_string(),
        None => return Ok(Response::new(Body::from("no id\n"))),
    };
    if id.parse::<u64>().unwrap_or(0) % 2 == 1 {
        for i in 0..3 {
            call(shared.clone(), i, id.clone()).await;
        }
    } else {
        let tasks: Vec<_> = (0..3).map(|i| tokio::spawn(call(shared.clone(), i, id.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
    call(shared, 0, id).await;
    Ok(Response::new(Body::from("ok\n")))
}

#[tokio::main(worker_threads = 4)]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let shared = Arc::new(Shared { client: Client::new(), ports: args[2..].to_vec() });
    let address = ([127, 0, 0, 1], args[1].parse::<u16>().unwrap()).into();
    let service = make_service_fn(move |_| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(service_fn(move |r| work(shared.clone(), r))) }
    });
    Server::bind(&address).serve(service).await.unwrap();
}
