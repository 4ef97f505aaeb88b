/** The page: a form for an order, and what comes of it.  Everything that is shown is text. */

import { OrderClient, OrderRefused, OutOfTime } from "./order_client.js";
import { reach } from "./reach.js";

const at = (id) => document.getElementById(id);
const form = at("order");
const counts = { connections: 0, messages: 0, duplicates: 0 };
let ordersUrl = null;
let isUnderWay = false;

function say(text) {
  at("status").textContent = text;
}

function warn(text) {
  at("problem").textContent = text;
}

function count(what) {
  counts[what] += 1;
  at(what).textContent = counts[what];
}

function startOver() {
  for (const what of Object.keys(counts)) at(what).textContent = counts[what] = 0;
  at("messages-list").replaceChildren();
  at("result").hidden = true;
  warn("");
}

function orderOf(data) {
  const items = [];
  for (const input of form.querySelectorAll("input[type=number]")) {
    const quantity = Number(data.get(input.name));
    if (quantity) items.push({ sku: input.name, quantity });
  }
  return { customer: data.get("customer"), currency: "EUR", items };
}

function facts(body) {
  return Object.entries(body)
    .filter(([, value]) => typeof value !== "object")
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function showMessage(message) {
  count("messages");
  const line = document.createElement("li");
  line.textContent = `${message.sequence} ${message.type}: ${facts(message.body)}`;
  at("messages-list").append(line);
}

function showEvent(name, detail) {
  if (name === "post") say("The order is sent.");
  if (name === "placed") say(`The shop has taken it: ${detail.orderId}.`);
  if (name === "connect") say("Connecting…");
  if (name === "subscribe") say("Connected. Waiting for the result.");
  if (name === "connect") count("connections");
  if (name === "drop") count("duplicates");
  if (name === "lost") say(`${detail.why} Next try in ${detail.pause.toFixed(1)} s.`);
}

function showResult(result) {
  const why = result.reason ? ` (${result.reason}${result.sku ? `: ${result.sku}` : ""})` : "";
  const sum = result.total ? `, ${result.total} ${result.currency ?? ""}`.trimEnd() : "";
  say(`The result is here: ${result.status}${sum}${why}.`);
  at("result-text").textContent = JSON.stringify(result, null, 2);
  at("result").hidden = false;
}

/** Call again for as long as there is no answer in time: whoever gives up closes the page. */
async function patiently(step) {
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
    }
  }
}

async function place(event) {
  event.preventDefault();
  if (isUnderWay || ordersUrl === null) return;
  isUnderWay = true;
  at("place").setAttribute("aria-disabled", "true");
  startOver();
  const order = orderOf(new FormData(form));
  const client = new OrderClient(ordersUrl, {
    onMessage: showMessage,
    onEvent: showEvent,
    reach: (url) => reach(url, location.href),
  });
  try {
    await patiently(() => client.placeOrder(order));
    showResult(await patiently(() => client.result()));
  } catch (error) {
    say("");
    warn(
      error instanceof OrderRefused
        ? `The shop refuses this order (${error.status}): ${error.message}`
        : `The shop's answer is not what this page can follow (${error.message}). It should be ` +
            "202 and JSON with orderId, executionArn and websocketUrl.",
    );
  } finally {
    client.close();
    isUnderWay = false;
    at("place").removeAttribute("aria-disabled");
  }
}

try {
  const address = new URLSearchParams(location.search).get("orders");
  ordersUrl = reach(address, location.href);
  at("orders-url").textContent = ordersUrl;
} catch {
  at("place").setAttribute("aria-disabled", "true");
  warn(
    "This page does not know the shop. Add its address to that of this page: " +
      "?orders=https://…/orders",
  );
}
form.addEventListener("submit", place);
