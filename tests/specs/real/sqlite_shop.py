#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Numbers in an SQLite database behind HTTP, one transaction each, as Python programs do it:

POST /N     adds N; 200, or 500 with what SQLite said
GET /       all numbers, in order
GET /check  what PRAGMA integrity_check says
"""
import http.server
import os
import sqlite3

db = sqlite3.connect(os.environ["DB"])
db.execute("pragma synchronous = full")
db.execute("create table if not exists numbers (n integer primary key)")
db.commit()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        query = "pragma integrity_check" if self.path == "/check" else "select n from numbers"
        self.answer(200, " ".join(str(row[0]) for row in db.execute(query)))

    def do_POST(self):
        try:
            with db:  # commits, or rolls back
                db.execute("insert into numbers values (?)", (int(self.path[1:]),))
            self.answer(200, "ok")
        except sqlite3.Error as error:
            self.answer(500, str(error))

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
