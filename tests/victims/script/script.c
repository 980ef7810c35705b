// SPDX-License-Identifier: Apache-2.0
#include "script.h"

int slots[128];

static const struct operation* const kTables[] = {file_operations, name_operations,
                                                  socket_operations, task_operations};

static const struct operation* find(const char* name) {
  for (size_t t = 0; t < sizeof kTables / sizeof *kTables; ++t)
    for (const struct operation* one = kTables[t]; one->name != NULL; ++one)
      if (strcmp(one->name, name) == 0) return one;
  return NULL;
}

static int enough(const struct operation* operation, char** w) {
  int n = 0;
  while (w[n] != NULL) ++n;
  return n >= operation->words;
}

void run_operation(char** w, char* text) {
  const struct operation* operation = w[0] != NULL ? find(w[0]) : NULL;
  if (operation == NULL || !enough(operation, w + 1)) {
    snprintf(text, 32, "what?%.16s", w[0] != NULL ? w[0] : "");
    return;
  }
  errno = 0;
  const long got = operation->run(w + 1);
  const char* name = got < 0 ? strerrorname_np(errno) : NULL;
  if (got < 0)
    snprintf(text, 32, "%s", name != NULL ? name : "?");
  else if (operation->counts)
    snprintf(text, 32, "%ld", got);
  else
    snprintf(text, 32, ".");
}

int run_for_status(char** w) {
  const struct operation* operation = w[0] != NULL ? find(w[0]) : NULL;
  if (operation == NULL || !enough(operation, w + 1)) return 255;
  return operation->run(w + 1) < 0 ? errno : 0;
}

static void split(char* one, char** words) {
  char* rest = NULL;
  int n = 0;
  for (char* word = strtok_r(one, " ", &rest); word != NULL && n + 1 < kWords;
       word = strtok_r(NULL, " ", &rest))
    words[n++] = word;
  words[n] = NULL;
}

static void run_script(char* script, int client) {
  char answer[2048] = "", *rest = NULL;
  size_t used = 0;
  for (char* one = strtok_r(script, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest)) {
    char *words[kWords], text[32];
    split(one, words);
    if (words[0] == NULL) continue;
    run_operation(words, text);
    used += (size_t)snprintf(answer + used, sizeof answer - used, "%s%s", used ? " " : "", text);
    if (used + 40 > sizeof answer) break;
  }
  snprintf(answer + used, sizeof answer - used, "\n");
  send_text(client, answer);
}

// "a=3,b=4": what `exec` handed on.
static void take_slots(char* list) {
  char* rest = NULL;
  for (char* one = strtok_r(list, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest))
    slots[(unsigned char)one[0] & 127] = atoi(one + 2);
}

int main(int argc, char** argv) {
  for (size_t i = 0; i < 128; ++i) slots[i] = -1;
  if (argc > 3 && strcmp(argv[1], "--do") == 0) {
    take_slots(argv[2]);
    return run_for_status(argv + 3);
  }
  signal(SIGPIPE, SIG_IGN);
  const int listener = listen_on(env_int("PORT", 7001));
  for (;;) {
    const int client = accept_one(listener);
    static char line[8192];
    while (read_line(client, line, sizeof line)) {
      const pid_t child = fork();
      must(child >= 0, "fork");
      if (child == 0) {
        run_script(line, client);
        _exit(0);
      }
      waitpid(child, NULL, 0);
    }
    close(client);
  }
}
