// Send each message back through @connections.
import {
  ApiGatewayManagementApiClient,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

// The event's domainName is no address of the plugin's; its documentation says to name it.
const connections = new ApiGatewayManagementApiClient({
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});

export const handler = async (event) => {
  await connections.send(
    new PostToConnectionCommand({
      ConnectionId: event.requestContext.connectionId,
      Data: event.body,
    }),
  );
  return { statusCode: 200 };
};
