// SPDX-License-Identifier: Apache-2.0
#include "examples/partition/order-svc/http_server.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/thread.h>
#include <signal.h>

#include <thread>

namespace shop {

namespace {

constexpr size_t kMaxBody = 64 * 1024;  // bytes; more is answered 413 by libevent

const char* method_name(evhttp_cmd_type command) {
  switch (command) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    default: return "";
  }
}

std::string body_of(evhttp_request* request) {
  evbuffer* in = evhttp_request_get_input_buffer(request);
  std::string body(evbuffer_get_length(in), '\0');
  evbuffer_copyout(in, body.data(), body.size());
  return body;
}

void send_answer(evhttp_request* request, const HttpAnswer& answer) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", "application/json");
  evbuffer* out = evbuffer_new();
  evbuffer_add(out, answer.body.data(), answer.body.size());
  evbuffer_add(out, "\n", 1);
  evhttp_send_reply(request, answer.status, nullptr, out);  // nullptr: the status' usual phrase
  evbuffer_free(out);
}

}  // namespace

class HttpServer::Loop {
 public:
  explicit Loop(HttpHandlers handlers) : handlers_(std::move(handlers)) {
    evthread_use_pthreads();
    base_ = event_base_new();
    http_ = evhttp_new(base_);
    evhttp_set_max_body_size(http_, kMaxBody);
    evhttp_set_gencb(http_, [](evhttp_request* r, void* self) { as_loop(self)->take(r); }, this);
    for (size_t i = 0; i < 2; ++i) {
      ends_[i] = evsignal_new(
          base_, i == 0 ? SIGTERM : SIGINT,
          [](evutil_socket_t, short, void* self) { as_loop(self)->begin_to_end(); }, this);
      event_add(ends_[i], nullptr);
    }
  }

  ~Loop() {
    for (event* end : ends_) event_free(end);
    evhttp_free(http_);
    event_base_free(base_);
  }

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  bool listen(uint16_t port) {
    listener_ = evhttp_bind_socket_with_handle(http_, "127.0.0.1", port);
    return listener_ != nullptr;
  }

  void run() { event_base_dispatch(base_); }

 private:
  // A request on its way through a worker thread. The worker only reads what was copied out of
  // the request and writes `answer`; the request itself is libevent's, and its thread's.
  struct Job {
    Loop* loop;
    evhttp_request* request;
    std::string method, path, body;
    HttpAnswer answer = {};
  };

  static Loop* as_loop(void* self) { return static_cast<Loop*>(self); }

  void take(evhttp_request* request) {
    const char* path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    auto job = std::make_unique<Job>(Job{.loop = this,
                                         .request = request,
                                         .method = method_name(evhttp_request_get_command(request)),
                                         .path = path != nullptr ? path : "",
                                         .body = body_of(request)});
    if (handlers_.answers_at_once(job->path)) {
      send_answer(request, handlers_.answer(job->method, job->path, job->body));
      return;
    }
    ++under_way_;
    std::thread([job = job.release()] {
      job->answer = job->loop->handlers_.answer(job->method, job->path, job->body);
      event_base_once(job->loop->base_, -1, EV_TIMEOUT,
                      [](evutil_socket_t, short, void* done) {
                        const std::unique_ptr<Job> finished(static_cast<Job*>(done));
                        finished->loop->give_back(*finished);
                      },
                      job, nullptr);
    }).detach();
  }

  // On the event loop again. A request whose client has gone is still ours to answer; libevent
  // then drops the answer.
  void give_back(const Job& job) {
    send_answer(job.request, job.answer);
    --under_way_;
    const timeval flush = {.tv_sec = 0, .tv_usec = 20'000};  // the answer is not yet on its way
    if (ending_ && under_way_ == 0) event_base_loopexit(base_, &flush);
  }

  void begin_to_end() {
    if (ending_) return;
    ending_ = true;
    if (listener_ != nullptr) evhttp_del_accept_socket(http_, listener_);
    if (under_way_ == 0) event_base_loopexit(base_, nullptr);
  }

  HttpHandlers handlers_;
  event_base* base_ = nullptr;
  evhttp* http_ = nullptr;
  evhttp_bound_socket* listener_ = nullptr;
  event* ends_[2] = {};
  size_t under_way_ = 0;  // touched on the event loop only
  bool ending_ = false;
};

HttpServer::HttpServer(HttpHandlers handlers)
    : loop_(std::make_unique<Loop>(std::move(handlers))) {}
HttpServer::~HttpServer() = default;
bool HttpServer::listen(uint16_t port) { return loop_->listen(port); }
void HttpServer::run() { loop_->run(); }

}  // namespace shop
