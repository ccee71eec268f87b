// The simulated network: nothing at rest, late when it is slow, in order always, and lost when it drops.

import type { Socket } from "@roomtone/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DROP_INTERVAL_MS, SimulatedNetwork } from "../src/simulated-network.js";

class FakeSocket {
  static made: FakeSocket[] = [];
  binaryType = "blob";
  protocol = "dialect";
  extensions = "";
  readyState = 1;
  bufferedAmount = 0;
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly sent: number[] = [];
  closedWith: unknown[] | null = null;
  readonly url: string;
  readonly args: unknown[];

  constructor(url: string, ...args: unknown[]) {
    this.url = url;
    this.args = args;
    FakeSocket.made.push(this);
  }

  send(bytes: Uint8Array): void {
    this.sent.push(...bytes);
  }

  close(...args: unknown[]): void {
    this.closedWith = args;
  }
}

/** A socket with what it told, through a network of this delay. */
function open(delayMs = 0, ...args: string[]) {
  const network = new SimulatedNetwork(FakeSocket);
  network.delayMs = delayMs;
  const socket: Socket = new (network.WebSocket as new (...args: string[]) => Socket)(
    "ws://far/",
    ...args,
  );
  const real = FakeSocket.made.at(-1) as FakeSocket;
  const told: string[] = [];
  socket.onopen = () => told.push("open");
  socket.onmessage = ({ data }: { data: string }) => told.push(data);
  socket.onclose = ({ code }: { code: number }) => told.push(`close ${code}`);
  const bytes = (...values: number[]) => socket.send(new Uint8Array(values));
  return { network, socket, real, told, bytes };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("without a delay", () => {
  test("everything passes in the same moment", () => {
    const { real, told, bytes, socket } = open();
    real.onopen?.({});
    real.onmessage?.({ data: "a" });
    bytes(1);
    expect(real.sent).toEqual([1]);
    socket.close(1000, "bye");
    expect(real.closedWith).toEqual([1000, "bye"]);
    real.onclose?.({ code: 1000 });
    expect(told).toEqual(["open", "a", "close 1000"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("the socket is asked for as it is, and answers as it is", () => {
    const { real, socket } = open(0, "roomtone.v1");
    expect(real.args).toEqual(["roomtone.v1"]);
    expect(open().real.args).toEqual([]);
    socket.binaryType = "arraybuffer";
    expect(real.binaryType).toBe("arraybuffer");
    expect(socket).toMatchObject({ protocol: "dialect", readyState: 1, url: "ws://far/" });
  });
});

describe("with a delay", () => {
  test("each way takes it, and to open takes both", () => {
    const { real, told, bytes } = open(400);
    real.onopen?.({});
    vi.advanceTimersByTime(799);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual(["open"]);
    bytes(1);
    real.onmessage?.({ data: "a" });
    vi.advanceTimersByTime(399);
    expect([real.sent, told]).toEqual([[], ["open"]]);
    vi.advanceTimersByTime(1);
    expect([real.sent, told]).toEqual([[1], ["open", "a"]]);
  });

  test("nothing overtakes anything when the delay shrinks", () => {
    const { network, real, told, bytes } = open(1_500);
    real.onmessage?.({ data: "a" });
    bytes(1);
    network.delayMs = 0;
    real.onmessage?.({ data: "b" });
    bytes(2);
    expect([real.sent, told]).toEqual([[], []]);
    vi.advanceTimersByTime(1_500);
    expect([real.sent, told]).toEqual([
      [1, 2],
      ["a", "b"],
    ]);
    real.onmessage?.({ data: "c" });
    expect(told).toEqual(["a", "b", "c"]);
  });

  test("the sender may use its bytes again", () => {
    const { socket, real } = open(100);
    const bytes = new Uint8Array([1]);
    socket.send(bytes);
    bytes[0] = 9;
    vi.advanceTimersByTime(100);
    expect(real.sent).toEqual([1]);
  });

  test("what was sent before a close still goes", () => {
    const { socket, real, bytes } = open(100);
    bytes(1);
    socket.close();
    expect(real.closedWith).toBeNull();
    vi.advanceTimersByTime(100);
    expect(real.sent).toEqual([1]);
    expect(real.closedWith).not.toBeNull();
  });
});

describe("dropping", () => {
  test("loses what is under way, says nothing to the far end, and ends without a reason", () => {
    const { network, real, told, bytes } = open(400);
    bytes(1);
    real.onmessage?.({ data: "a" });
    network.drop();
    expect(told).toEqual(["close 1006"]);
    vi.advanceTimersByTime(5_000);
    expect([real.sent, told]).toEqual([[], ["close 1006"]]);
    expect(real.closedWith).toEqual([]);
    real.onclose?.({ code: 1005 });
    expect(told).toEqual(["close 1006"]);
  });

  test("happens again and again until it is switched off, and to all sockets", () => {
    const { network, told } = open();
    network.drops = true;
    vi.advanceTimersByTime(DROP_INTERVAL_MS - 1);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual(["close 1006"]);
    const second: Socket = new network.WebSocket("ws://far/", "roomtone.v1");
    const closed = vi.fn();
    second.onclose = closed;
    vi.advanceTimersByTime(DROP_INTERVAL_MS);
    expect(closed).toHaveBeenCalledOnce();
    network.drops = false;
    const third: Socket = new network.WebSocket("ws://far/", "roomtone.v1");
    third.onclose = closed;
    vi.advanceTimersByTime(3 * DROP_INTERVAL_MS);
    expect(closed).toHaveBeenCalledOnce();
    expect(told).toEqual(["close 1006"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("requests, which take the place of sockets where none pass", () => {
  const response = {
    status: 204,
    text: async () => "",
    arrayBuffer: async () => new ArrayBuffer(0),
  };

  test("they take their time, each way", async () => {
    const asked: string[] = [];
    const network = new SimulatedNetwork(FakeSocket, async (url) => {
      asked.push(url);
      return response;
    });
    network.delayMs = 100;
    let status = 0;
    void network.fetch("http://far/").then((answer) => {
      status = answer.status;
    });
    await vi.advanceTimersByTimeAsync(99);
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect([asked, status]).toEqual([["http://far/"], 0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(status).toBe(204);
  });

  test("a drop fails what is under way, and nothing after it", async () => {
    const network = new SimulatedNetwork(FakeSocket, async () => response);
    network.delayMs = 100;
    const lost = expect(network.fetch("http://far/")).rejects.toThrow("Failed to fetch");
    network.drop();
    await lost;
    network.delayMs = 0;
    expect((await network.fetch("http://far/")).status).toBe(204);
  });
});
