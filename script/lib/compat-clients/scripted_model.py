"""A scripted model for tests: a local server that speaks OpenAI's chat completions as a stream. `scripted_model.py PORT`.

It repeats what the user said last, calls the first tool it is offered, answers a tool's result with it, and fails where it is told to.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOO_LONG = {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"}


class ScriptedModel(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = asked["messages"][-1]
        words = last.get("content") or ""
        if words == "TOO LONG":
            return self.refuse(400, TOO_LONG)
        if words == "TOO OFTEN":
            return self.refuse(429, {"message": "Slow down.", "code": "rate_limit_exceeded"}, ("retry-after", "120"))
        reason = "stop"
        if last["role"] == "tool":
            deltas = [{"content": "The tool said: "}, {"content": words}]
        elif asked.get("tools"):
            name, reason = asked["tools"][0]["function"]["name"], "tool_calls"
            call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": '{"city":'}}
            deltas = [{"tool_calls": [call]}, {"tool_calls": [{"index": 0, "function": {"arguments": ' "Bern"}'}}]}]
        elif asked.get("response_format"):
            deltas = [{"content": '{"ok": '}, {"content": "true}"}]
        else:
            deltas = [{"content": "You said: "}, {"content": words}]
        frames = [self.frame(asked, delta, None) for delta in deltas] + [self.frame(asked, {}, reason)]
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        frames.append({**self.frame(asked, {}, None), "choices": [], "usage": usage})
        body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
        self.reply(200, body.encode(), ("content-type", "text/event-stream"))

    @staticmethod
    def frame(asked: dict, delta: dict, reason: str | None) -> dict:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": asked["model"], "choices": [choice]}

    def refuse(self, status: int, error: dict, *headers: tuple[str, str]) -> None:
        self.reply(status, json.dumps({"error": error}).encode(), ("content-type", "application/json"), *headers)

    def reply(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), ScriptedModel).serve_forever()
