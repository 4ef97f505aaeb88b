// Note that a connection has ended: one byte in the file that LEFT names.
import { appendFileSync } from "node:fs";

export const handler = async () => {
  appendFileSync(process.env.LEFT, ".");
  return { statusCode: 200 };
};
