// SPDX-License-Identifier: Apache-2.0
//
// The only file that includes libcurl's request interface. One easy handle a step, driven by the
// multi interface so that an abort descriptor can be waited for beside it.
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "runner/step/step_parts.h"

namespace fbx::step {

namespace {

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

// One request on its way, as curl's callbacks see it.
struct Transfer {
  Transfer(const StepEnv& e, const model::HttpStep& s) : env(e), step(s), answerer(e, s.service) {}
  const StepEnv& env;
  const model::HttpStep& step;
  Answerer answerer;
  model::StepResult result;
  bool too_large = false;
  char error[CURL_ERROR_SIZE] = "";
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  return std::string(text);
}

size_t on_body(char* data, size_t, size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (transfer.result.body.size() + size > kMaxAnswerBytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.result.body.append(data, size);
  return size;
}

// A status line begins the headers of the next answer (a redirect's, or after 100 Continue).
size_t on_header(char* data, size_t, size_t size, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) {
    transfer.result.headers.clear();
    transfer.result.body.clear();
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    transfer.result.headers.emplace_back(lower(std::string(line.substr(0, colon))),
                                         trimmed(line.substr(colon + 1)));
  }
  return size;
}

bool parse_address(const char* text, int port, sockaddr_storage& out) {
  std::memset(&out, 0, sizeof out);
  auto& v4 = reinterpret_cast<sockaddr_in&>(out);
  if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    return true;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  if (::inet_pton(AF_INET6, text, &v6.sin6_addr) != 1) return false;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  return true;
}

// The service that has this port; the step's own first. -1 = none.
int service_at(const Transfer& transfer, int port) {
  const plan::Plan& plan = *transfer.env.plan;
  const auto has_port = [port](const plan::Service& service) {
    return std::any_of(service.interfaces.begin(), service.interfaces.end(),
                       [port](const plan::Interface& i) { return i.port == port; });
  };
  if (has_port(plan.services[transfer.step.service]))
    return static_cast<int>(transfer.step.service);
  const auto found = std::find_if(plan.services.begin(), plan.services.end(), has_port);
  return found == plan.services.end() ? -1 : static_cast<int>(found - plan.services.begin());
}

// Connected, nothing sent yet: for the first request and for each that a redirect leads to.
int on_connected(void* context, char* peer_ip, char* local_ip, int peer_port, int local_port) {
  auto& transfer = *static_cast<Transfer*>(context);
  const int service = service_at(transfer, peer_port);
  sockaddr_storage local, peer;
  if (service < 0 || !parse_address(peer_ip, peer_port, peer) ||
      !parse_address(local_ip, local_port, local)) {
    transfer.answerer.outside(std::string(peer_ip) + ":" + std::to_string(peer_port));
  } else {
    transfer.answerer.ask(reinterpret_cast<sockaddr*>(&local), reinterpret_cast<sockaddr*>(&peer),
                          static_cast<uint32_t>(service));
  }
  return CURL_PREREQFUNC_OK;
}

using HeaderList = std::unique_ptr<curl_slist, FreeList>;

void append(HeaderList& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return;
  (void)list.release();
  list.reset(longer);
}

// curl adds Expect: and a form's Content-Type: by itself; neither was asked for.
HeaderList request_headers(const model::HttpStep& step) {
  HeaderList list;
  bool has_type = false;
  for (const auto& [name, value] : step.headers) {
    has_type = has_type || lower(name) == "content-type";
    append(list, value.empty() ? name + ";" : name + ": " + value);
  }
  append(list, "Expect:");
  if (!has_type) append(list, "Content-Type:");
  return list;
}

bool headers_are_lines(const model::HttpStep& step) {
  return std::none_of(step.headers.begin(), step.headers.end(), [](const auto& header) {
    return header.first.find_first_of("\r\n:") != std::string::npos || header.first.empty() ||
           header.second.find_first_of("\r\n") != std::string::npos;
  });
}

void set_method(CURL* easy, const model::HttpStep& step) {
  const bool has_body = !step.body.empty() || step.method == "POST" || step.method == "PUT" ||
                        step.method == "PATCH";
  if (step.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (has_body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(step.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, step.body.c_str());
  }
  // As a custom request the method would survive a 303: only where curl has none of its own.
  if (step.method != (has_body ? "POST" : "GET"))
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, step.method.c_str());
}

std::string url_of(const StepEnv& env, const model::HttpStep& step) {
  const plan::Interface& to = env.plan->services[step.service].interfaces[step.interface];
  const std::string slash = step.path.starts_with('/') ? "" : "/";
  return "http://127.0.0.1:" + std::to_string(to.port) + slash + step.path;
}

void set_options(CURL* easy, Transfer& transfer, const curl_slist* headers) {
  const model::HttpStep& step = transfer.step;
  curl_easy_setopt(easy, CURLOPT_URL, url_of(transfer.env, step).c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, step.follow ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 20L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max<int64_t>(1, step.timeout_ns / 1'000'000)));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "fbx");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &transfer);
  set_method(easy, step);
}

// Runs to the end or until the abort descriptor is readable. Unset = aborted.
std::optional<CURLcode> drive(CURLM* multi, CURL* easy, const StepEnv& env) {
  curl_multi_add_handle(multi, easy);
  std::optional<CURLcode> code;
  for (int running = 1; running != 0;) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) {
      code = CURLE_FAILED_INIT;
      break;
    }
    if (running == 0) break;
    // poll() passes over descriptors below 0.
    curl_waitfd beside[2] = {{env.abort_fd, CURL_WAIT_POLLIN, 0},
                             {env.meanwhile_fd, CURL_WAIT_POLLIN, 0}};
    curl_multi_poll(multi, beside, 2, 1000, nullptr);
    if (beside[1].revents != 0) env.meanwhile();
    if (beside[0].revents != 0) {
      curl_multi_remove_handle(multi, easy);
      return std::nullopt;
    }
  }
  for (int left = 0; CURLMsg* message = curl_multi_info_read(multi, &left);) {
    if (message->msg == CURLMSG_DONE && message->easy_handle == easy) code = message->data.result;
  }
  curl_multi_remove_handle(multi, easy);
  return code.value_or(CURLE_FAILED_INIT);
}

// "Recv failure: Connection reset by peer" has the errno's words behind the colon; curl does not
// keep the number for reads.
std::string words_behind_colon(const char* text) {
  const char* colon = std::strrchr(text, ':');
  std::string words = trimmed(colon != nullptr ? colon + 1 : text);
  if (!words.empty())
    words[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(words[0])));
  return words;
}

std::string error_text(CURL* easy, CURLcode code, const Transfer& transfer) {
  if (transfer.too_large)
    return "answer larger than " + std::to_string(kMaxAnswerBytes >> 20) + " MiB";
  switch (code) {
    case CURLE_OK:
      return "";
    case CURLE_OPERATION_TIMEDOUT:
      return timed_out_text(transfer.step.timeout_ns);
    case CURLE_GOT_NOTHING:
      return "empty reply";
    case CURLE_COULDNT_CONNECT: {
      long number = 0;
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
      return number != 0 ? plain_error(static_cast<int>(number)) : "could not connect";
    }
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return words_behind_colon(transfer.error);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return "not an HTTP answer";
    case CURLE_PARTIAL_FILE:
      return "closed before the answer ended (after " +
             std::to_string(transfer.result.body.size()) + " bytes)";
    case CURLE_TOO_MANY_REDIRECTS:
      return "too many redirects";
    case CURLE_URL_MALFORMAT:
      return "the path is not part of a URL";
    default:
      return transfer.error[0] != 0 ? transfer.error : curl_easy_strerror(code);
  }
}

}  // namespace

StepOutcome http_step(const StepEnv& env, void* curl_multi, const model::HttpStep& step) {
  StepOutcome outcome;
  Transfer transfer(env, step);
  const uint64_t begin = now_ns();
  const std::unique_ptr<CURL, FreeEasy> easy(curl_easy_init());
  if (!headers_are_lines(step)) {
    transfer.result.error = "a header's name or value holds a line end";
  } else if (easy == nullptr || curl_multi == nullptr) {
    transfer.result.error = "out of memory";
  } else {
    const HeaderList headers = request_headers(step);
    set_options(easy.get(), transfer, headers.get());
    const auto code = drive(static_cast<CURLM*>(curl_multi), easy.get(), env);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    transfer.result.status = static_cast<int>(status);
    transfer.result.error = code ? error_text(easy.get(), *code, transfer) : "interrupted";
    outcome.aborted = !code;
  }
  outcome.result = std::move(transfer.result);
  model::StepResult& result = outcome.result;
  result.ok = result.error.empty() && result.status != 0 && result.status < 400;
  finish(outcome, begin, describe(*env.plan, step), transfer.answerer, result.status != 0);
  return outcome;
}

}  // namespace fbx::step
