/**
 * What our signalling is compared with: a relay that only forwards. The first text of a socket
 * names its room; every later one goes to the other sockets of the room. Prints its port.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
const rooms = new Map<string, WebSocket[]>();

server.on("connection", (socket) => {
  let room: WebSocket[] | null = null;
  socket.on("message", (data: Uint8Array) => {
    if (room === null) {
      const name = data.toString();
      room = rooms.get(name) ?? [];
      rooms.set(name, room);
      room.push(socket);
      if (room.length < 2) return;
      for (const member of room) member.send("ready");
      return;
    }
    // As the library's own example does: the bytes as they came, never a string.
    for (const other of room) if (other !== socket) other.send(data, { binary: false });
  });
  socket.on("close", () => room?.splice(room.indexOf(socket), 1));
});
http.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: (http.address() as AddressInfo).port, pid: Deno.pid }));
});
