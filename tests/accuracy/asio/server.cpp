// SPDX-License-Identifier: Apache-2.0
// A server as many are: asio, one io_context that four threads run; calls in sequence, or all at once.
#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;

static const char *const paths[] = { "/one", "/two", "/three", "/four" };
static unsigned short ports[4];
static std::mutex idle_lock;
static std::map<int, std::vector<std::shared_ptr<tcp::socket>>> idle;

static std::shared_ptr<tcp::socket> take_idle(int backend)
{
	std::lock_guard<std::mutex> guard(idle_lock);
	auto &sockets = idle[backend];
	std::shared_ptr<tcp::socket> socket;

	if (!sockets.empty()) {
		socket = sockets.back();
		sockets.pop_back();
	}
	return socket;
}

static awaitable<void> call(int backend, std::string id)
{
	auto executor = co_await asio::this_coro::executor;
	auto socket = take_idle(backend);
	std::string answer;

	if (!socket) {
		socket = std::make_shared<tcp::socket>(executor);
		co_await socket->async_connect({ asio::ip::address_v4::loopback(), ports[backend] }, use_awaitable);
	}
	co_await asio::async_write(
		*socket, asio::buffer("GET " + std::string(paths[backend]) + "?id=" + id + " HTTP/1.1\r\nHost: backend\r\n\r\n"),
		use_awaitable);
	co_await asio::async_read_until(*socket, asio::dynamic_buffer(answer), "ok\n", use_awaitable);
	std::lock_guard<std::mutex> guard(idle_lock);
	idle[backend].push_back(socket);
}

static awaitable<void> serve(tcp::socket client)
{
	for (;;) {
		std::string head;

		co_await asio::async_read_until(client, asio::dynamic_buffer(head), "\r\n\r\n", use_awaitable);
		size_t from = head.find("id=") + 3;
		std::string id = head.substr(from, head.find(' ', from) - from);
		if (std::stol(id) % 2)
			for (int i = 0; i < 3; i++)
				co_await call(i, id);
		else
			co_await (call(0, id) && call(1, id) && call(2, id));
		co_await call(0, id);
		co_await asio::async_write(client, asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")),
					   use_awaitable);
	}
}

static awaitable<void> accept_all(tcp::acceptor acceptor)
{
	for (;;)
		asio::co_spawn(acceptor.get_executor(), serve(co_await acceptor.async_accept(use_awaitable)), asio::detached);
}

int main(int argc, char **argv)
{
	asio::io_context context;
	std::vector<std::thread> threads;

	for (int i = 2; i < argc && i < 6; i++)
		ports[i - 2] = (unsigned short)std::stoi(argv[i]);
	asio::co_spawn(context, accept_all({ context, { asio::ip::address_v4::loopback(), (unsigned short)std::stoi(argv[1]) } }),
		       asio::detached);
	for (int i = 0; i < 4; i++)
		threads.emplace_back([&] { context.run(); });
	for (auto &thread : threads)
		thread.join();
}
