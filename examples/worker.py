"""A worker for an Almanac activity, with Python's standard library only: python3 worker.py HOST:PORT SUBJECT"""
import itertools, json, socket, sys, threading

def work(input, progress, cancelled):
    """Your code: counts words, slowly. Returns the output or raises; stops when cancelled.is_set(), for nobody waits any more."""
    words = input["text"].split()
    if not words: raise ValueError("there is no word in it")
    for done in range(len(words)):
        progress({"done": done, "total": len(words), "note": "words"})
        if cancelled.wait(input.get("secondsPerWord", 0)): return None
    return len(words)

def answer(reply, request, number):
    try:
        cancelled = cancels[number]
        publish(reply, {"output": work(request["input"], lambda progress: publish(reply, {"progress": progress}), cancelled)})
    except Exception as e:  # retryable: False tells Almanac that the same input will fail again
        publish(reply, {"error": {"name": type(e).__name__, "message": str(e), "retryable": not isinstance(e, ValueError)}})
    send(b"UNSUB %d\r\n" % number)
    del cancels[number]

def send(data):
    with lock: connection.sendall(data)

def publish(subject, body):
    data = json.dumps(body).encode()
    send(b"PUB %s %d\r\n%s\r\n" % (subject, len(data), data))

(host, port), subject = sys.argv[1].split(":"), sys.argv[2].encode()
connection, lock, numbers, cancels = socket.create_connection((host, int(port))), threading.Lock(), itertools.count(2), {}
send(b'CONNECT {"verbose":false,"headers":true}\r\nSUB %s workers 1\r\nPING\r\n' % subject)
stream = connection.makefile("rb")
for line in stream:  # the NATS protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
    verb, *words = line.split()
    if verb == b"PING": send(b"PONG\r\n")
    elif verb == b"PONG": print("ready", flush=True)
    elif verb == b"-ERR": sys.exit(line.decode())
    elif verb in (b"MSG", b"HMSG"):  # subject, subscription, reply, [bytes of headers,] bytes
        data = stream.read(int(words[-1]) + 2)[:-2]
        if words[1] != b"1":
            if cancelled := cancels.get(int(words[1])):
                print("cancelled", flush=True)
                cancelled.set()
            continue
        head = int(words[-2]) if verb == b"HMSG" else 0
        headers = dict(line.split(": ", 1) for line in data[:head].decode().split("\r\n")[1:] if line)
        number = next(numbers)
        cancels[number] = threading.Event()
        send(b"SUB %s %d\r\n" % (headers["Almanac-Cancel"].encode(), number))
        threading.Thread(target=answer, args=(words[2], json.loads(data[head:]), number), daemon=True).start()
