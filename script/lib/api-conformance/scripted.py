"""What the server may talk to in a test: `scripted.py PORT`. On TCP a model that streams one sentence in OpenAI's format and refuses everything
else; on UDP a name server that knows no name.
"""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ScriptedModel(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self.path.endswith("/chat/completions"):
            return self.reply(404, b"", "text/plain")
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
        said = {"index": 0, "delta": {"content": "A scripted sentence."}, "finish_reason": None}
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        frames = [{**base, "choices": [said]}, {**base, "choices": [end]}, {**base, "choices": [], "usage": usage}]
        body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
        return self.reply(200, body.encode(), "text/event-stream")

    def do_GET(self) -> None:
        self.reply(404, b"", "text/plain")

    def reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def name_server(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        while True:
            query, peer = server.recvfrom(512)
            # RFC 1035 section 4.1.1: the same id and question, a response, recursion available, no such name, and no records.
            question = query[12 : query.index(0, 12) + 5]
            server.sendto(query[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6 + question, peer)


threading.Thread(target=name_server, args=(int(sys.argv[1]),), daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), ScriptedModel).serve_forever()
