/**
 * The client in a browser: place an order, listen, and receive the result exactly once.
 *
 *     const client = new OrderClient(ordersUrl, { onMessage: console.log });
 *     await client.placeOrder(order);
 *     const result = await client.result({ timeout: 30 });
 *
 * It works as ../client.py does, and has its three rules:
 *
 * - The first message on a connection is `subscribe`; whatever was stored comes back at once.
 * - A message may come twice, and an old one late.  Sequence numbers only grow, so what is not
 *   above the highest one seen is dropped.
 * - A connection may end at any time, and what is asked on it may fail.  Sending the order again
 *   *with the same Idempotency-Key* is no second order: it brings a fresh ticket for the first one.
 *   Pauses between tries double, up to a limit, and are drawn at random ("full jitter").
 *
 * A browser tells a page neither the status of a refused handshake nor why a connection ended.  So
 * both are the same to this client: it sends the order again.
 */

/** Seconds before the second try at most, and before any later one. */
export const FIRST_PAUSE = 0.2;
export const LONGEST_PAUSE = 20;

/**
 * Seconds after which a request or a handshake without an answer is sent again: a second more than
 * API Gateway waits for the function behind it (`ANSWERED` in ../build.py), so the answer is lost.
 */
export const ANSWER = 15;

/**
 * Seconds without a message after which the client asks again, in case its message got lost; and as
 * long after that, it takes the connection for dead.
 */
export const SILENCE = 30;

/** The API will not take this request, however often it is sent. */
export class OrderRefused extends Error {
  /**
   * @param {number} status the HTTP status.
   * @param {string} message what the API says.
   * @param {string} field what is wrong in the order, such as `items[1].quantity`; may be empty.
   */
  constructor(status, message, field = "") {
    super(message);
    this.status = status;
    this.field = field;
  }
}

/** There was no answer in time; calling again goes on waiting. */
export class OutOfTime extends Error {
  constructor() {
    super("There was no answer in time. Call again to go on waiting.");
  }
}

/** An answer or a connection did not come, or ended; the next try may succeed. */
class Lost extends Error {}

/** Tells news from duplicates.  It outlives connections. */
export class Inbox {
  #last = 0;

  /** The message in a frame, or `null` if it is a duplicate, late, or no message of ours. */
  news(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return null;
    }
    // "help", or one of API Gateway's own errors, has no number.
    if (typeof message?.sequence !== "number" || message.sequence <= this.#last) return null;
    this.#last = message.sequence;
    return message;
  }
}

/** Follows one order from the request to its result. */
export class OrderClient {
  #ordersUrl;
  #onMessage;
  #onEvent;
  #key;
  #reach;
  #fetch;
  #WebSocket;
  #sleep;
  #uniform;
  #order;
  #placed = null;
  #connection = null;
  #inbox = new Inbox();
  #result = null;

  /**
   * @param {string} ordersUrl where orders are posted to, `https://…/orders`.
   * @param {object} [options]
   * @param {(message: object) => void} [options.onMessage] called with each message, once, in
   *   order of its sequence number.
   * @param {(name: string, detail?: object) => void} [options.onEvent] told of what is done:
   *   `post`, `placed` {orderId}, `connect`, `subscribe`, `drop`, `lost` {why, pause in seconds}.
   * @param {string} [options.idempotencyKey] names this order, and proves that it is ours; made up
   *   if not given.
   * @param {(url: string) => string} [options.reach] where an address is reached from here.
   * @param {typeof fetch} [options.fetch] sends an HTTP request.
   * @param {typeof WebSocket} [options.WebSocket] opens a WebSocket.
   * @param {(seconds: number) => Promise<void>} [options.sleep] waits.
   * @param {(low: number, high: number) => number} [options.uniform] a random number between two.
   */
  constructor(ordersUrl, options = {}) {
    this.#ordersUrl = ordersUrl;
    this.#onMessage = options.onMessage ?? (() => {});
    this.#onEvent = options.onEvent ?? (() => {});
    this.#key = options.idempotencyKey || madeUp();
    this.#reach = options.reach ?? ((url) => url);
    this.#fetch = options.fetch ?? ((...request) => fetch(...request));
    this.#WebSocket = options.WebSocket ?? WebSocket;
    this.#sleep = options.sleep ?? ((seconds) => new Promise((go) => setTimeout(go, seconds * 1000)));
    this.#uniform = options.uniform ?? ((low, high) => low + Math.random() * (high - low));
  }

  /**
   * Send the order; again, if there is no answer or the server fails.
   *
   * @param {object} order
   * @param {{timeout?: number}} [limit] in seconds.
   * @returns {Promise<{orderId: string, executionArn: string, websocketUrl: string}>}
   * @throws {OrderRefused} the order is malformed (400), or the request is refused otherwise.
   * @throws {OutOfTime}
   */
  async placeOrder(order, { timeout = 30 } = {}) {
    this.#order = order;
    const deadline = now() + timeout;
    this.#placed = await this.#retry(() => this.#post(deadline), deadline);
    return this.#placed;
  }

  /**
   * Listen until the result is there, over as many connections as it takes.
   *
   * @param {{timeout?: number}} [limit] in seconds.
   * @returns {Promise<object>} the result: `status` is `accepted`, `rejected` or `failed`.
   * @throws {OrderRefused} the API no longer knows the order.
   * @throws {OutOfTime}
   */
  async result({ timeout = 60 } = {}) {
    const deadline = now() + timeout;
    while (this.#result === null) await this.#retry(() => this.#listen(deadline), deadline);
    return this.#result.body;
  }

  /** Close the connection, if there is one. */
  close() {
    this.#connection?.close();
    this.#connection = null;
  }

  // -- one step each; a step that fails is tried again ------------------------------------------

  async #post(deadline) {
    this.#onEvent("post");
    let status, text;
    try {
      const response = await this.#fetch(this.#ordersUrl, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": this.#key },
        body: JSON.stringify(this.#order),
        signal: AbortSignal.timeout(Math.min(ANSWER, remaining(deadline)) * 1000),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      if (error instanceof OutOfTime) throw error;
      throw new Lost("The shop does not answer.");
    }
    if (status === 429 || status >= 500) throw new Lost(`The shop answered ${status}.`);
    if (status >= 400) throw refused(status, text);
    const placed = JSON.parse(text);
    this.#onEvent("placed", { orderId: placed.orderId });
    return placed;
  }

  async #connect(deadline) {
    // A ticket is good for one connection; after that the order is sent again for a new one.
    const placed = this.#placed ?? (await this.#post(deadline));
    this.#placed = null;
    this.#onEvent("connect");
    const socket = new this.#WebSocket(this.#reach(placed.websocketUrl));
    this.#connection = new Connection(socket);
    await this.#connection.opened(Math.min(ANSWER, remaining(deadline)));
    this.#subscribe();
  }

  #subscribe() {
    this.#onEvent("subscribe");
    this.#connection.send(JSON.stringify({ action: "subscribe" }));
  }

  /** Receive messages until the result, the end of the connection, or the deadline. */
  async #listen(deadline) {
    if (this.#connection === null) await this.#connect(deadline);
    let askedAgain = false;
    while (this.#result === null) {
      const text = await this.#connection.receive(Math.min(SILENCE, remaining(deadline)));
      if (text === null) {
        remaining(deadline);
        if (askedAgain) throw new Lost("The connection is silent.");
        this.#subscribe();
        askedAgain = true;
        continue;
      }
      askedAgain = false;
      if (isError(text)) throw new Lost("What the client asked for failed.");
      const message = this.#inbox.news(text);
      if (message === null) {
        this.#onEvent("drop");
        continue;
      }
      if (message.type === "result") this.#result = message;
      this.#onMessage(message);
    }
  }

  async #retry(step, deadline) {
    let pause = FIRST_PAUSE;
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        this.close();
        const seconds = Math.min(this.#uniform(0, pause), remaining(deadline));
        this.#onEvent("lost", { why: error.message, pause: seconds });
        await this.#sleep(seconds);
        pause = Math.min(pause * 2, LONGEST_PAUSE);
      }
    }
  }
}

/** A WebSocket from which messages are received one by one. */
class Connection {
  #socket;
  #frames = [];
  #isOpen = false;
  #lost = null;
  #wake = () => {};

  constructor(socket) {
    this.#socket = socket;
    socket.onopen = () => {
      this.#isOpen = true;
      this.#wake();
    };
    socket.onmessage = ({ data }) => {
      this.#frames.push(data);
      this.#wake();
    };
    socket.onclose = ({ code }) => {
      const what = this.#isOpen ? "The connection was lost" : "No connection could be opened";
      this.#lost = new Lost(`${what} (close code ${code}).`);
      this.#wake();
    };
  }

  /** Wait until it is open. */
  async opened(seconds) {
    while (!this.#isOpen) {
      if (this.#lost) throw this.#lost;
      if (!(await this.#somethingHappens(seconds))) throw new Lost("The handshake took too long.");
    }
  }

  send(text) {
    this.#socket.send(text);
  }

  /** The next message, or `null` if none comes in so many seconds. */
  async receive(seconds) {
    while (this.#frames.length === 0) {
      if (this.#lost) throw this.#lost;
      if (!(await this.#somethingHappens(seconds))) return null;
    }
    return this.#frames.shift();
  }

  close() {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #somethingHappens(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), seconds * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

function now() {
  return performance.now() / 1000;
}

function remaining(deadline) {
  const seconds = deadline - now();
  if (seconds <= 0) throw new OutOfTime();
  return seconds;
}

/**
 * Whether API Gateway says with a frame that it could not do what it was asked for.
 *
 * It sends `{"message": "Internal server error", "connectionId": "…", "requestId": "…"}` when the
 * function fails, and the like for other reasons.
 */
function isError(text) {
  try {
    const said = JSON.parse(text);
    return ["message", "connectionId", "requestId"].every((name) => Object.hasOwn(said, name));
  } catch {
    return false;
  }
}

/** 128 random bits.  (`crypto.randomUUID` is missing on pages that come without TLS.) */
function madeUp() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function refused(status, text) {
  try {
    const answer = JSON.parse(text);
    if (typeof answer.message === "string") {
      return new OrderRefused(status, answer.message, answer.field ?? "");
    }
  } catch {
    // not JSON: the text says what there is to say
  }
  return new OrderRefused(status, text || `The API answered ${status}.`);
}
