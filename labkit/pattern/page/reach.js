/**
 * Where an address is reached from this page.
 *
 * On AWS, an address is reached where it says.  The local cloud names itself by a loopback address,
 * which is the machine that it runs on and need not be the one that the browser runs on: JupyterLab
 * may be on a server, and its proxy, or a tunnel, be all that leads there.  But this page came from
 * the same port, at `…/_labkit/client/`; so whatever led here leads to the rest of it too.
 */

const SERVED_AT = "/_labkit/client/";
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * @param {string} address of an HTTP API or of a WebSocket API.
 * @param {string} page the address of this page.
 * @returns {string} the address to use.
 */
export function reach(address, page) {
  const { protocol, hostname, pathname, search } = new URL(address);
  const here = new URL(page);
  const end = here.pathname.lastIndexOf(SERVED_AT);
  if (!LOOPBACK.has(hostname) || end < 0) return address;
  const secure = here.protocol === "https:" ? "s" : "";
  const scheme = (protocol.startsWith("ws") ? "ws" : "http") + secure;
  return `${scheme}://${here.host}${here.pathname.slice(0, end)}${pathname}${search}`;
}
