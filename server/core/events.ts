/** What the controller hears and what it wants done. */
import type {
  AgentInfo,
  CodedError,
  DesktopCaps,
  Draft,
  EventSource,
  Message,
  MessageOf,
  MessageType,
  Reason,
} from "@farglass/protocol";
import type { Operator, SessionEvent } from "./state.ts";
import type { SessionTrace } from "./trace.ts";

/** Messages of an end that belong to one desktop and that the controller decides. */
export type ControllerMessage = Extract<
  Message,
  {
    type:
      | "SESSION_DECISION"
      | "SESSION_ENDED"
      | "DESKTOP_WEBRTC_SIGNAL"
      | "PEER_STATE"
      | "DESKTOP_TRANSPORT_FALLBACK"
      | "DESKTOP_TRANSPORT_RESTORED"
      | "VIEWER_CONTROL"
      | "VIEWER_CHOICE"
      | "DESKTOP_KILL";
  }
>;

/** ERROR of an agent about one session: it is for the console. */
export interface AgentError {
  readonly sessionId: string;
  readonly payload: MessageOf<"ERROR">["payload"];
}

/** Names the message that an error answers. */
export interface MessageRef {
  readonly seq: number;
  readonly type: MessageType | "REST";
  readonly requestId?: string;
}

export type ControllerEvent =
  /** DESKTOP_CAPS of an authenticated agent: the desktop exists and is online. */
  | {
    readonly kind: "caps";
    readonly desktopId: string;
    readonly linkId: string;
    readonly agent: AgentInfo;
    readonly caps: DesktopCaps;
    readonly ref: MessageRef;
  }
  /** A link lost its socket, got it back, or will never come back. */
  | {
    readonly kind: "link";
    readonly linkId: string;
    readonly change: "lost" | "resumed" | "gone" | "replaced";
    /** Where it came back from. */
    readonly source?: EventSource;
  }
  /** A console or REST (then `consoleLinkId` is null) asks for the desktop. */
  | {
    readonly kind: "request";
    readonly sessionId: string;
    readonly requestId: string;
    readonly consoleLinkId: string | null;
    readonly operator: Operator;
    readonly source?: EventSource;
    readonly ref: MessageRef;
    /** The trace it belongs to; left out, the session gets one of its own. */
    readonly trace?: SessionTrace;
  }
  /** A console takes over a session made by REST. */
  | {
    readonly kind: "attach";
    readonly sessionId: string;
    readonly requestId: string;
    readonly consoleLinkId: string;
    readonly operator: Operator;
    readonly source?: EventSource;
    readonly ref: MessageRef;
  }
  | {
    readonly kind: "message";
    readonly from: "agent" | "console";
    readonly linkId: string;
    readonly message: ControllerMessage;
  }
  /** The agent could not do what a session's console asked for. */
  | { readonly kind: "agent-error"; readonly linkId: string; readonly error: AgentError }
  /** Every session that has credentials gets fresh ones. */
  | { readonly kind: "reissue" }
  /** DESKTOP_KILL by REST; without a session the whole desktop. */
  | {
    readonly kind: "kill";
    readonly sessionId: string | null;
    readonly reason: Reason;
    readonly ref: MessageRef;
  }
  /** The deadline may have passed. */
  | { readonly kind: "tick" };

export type Effect =
  | { readonly kind: "send"; readonly linkId: string; readonly draft: Draft }
  /** The event's sender gets a coded error (by link or as the REST answer); nothing was changed. */
  | {
    readonly kind: "reject";
    readonly linkId: string | null;
    readonly error: CodedError;
    readonly ref: MessageRef;
    readonly desktopId: string;
    readonly sessionId: string | null;
  }
  /** A fact for the structured log and the metrics. */
  | {
    readonly kind: "event";
    readonly desktopId: string;
    readonly sessionId: string;
    readonly event: SessionEvent;
  }
  /** Mint TURN credentials and send DESKTOP_CAPS with them to these links. */
  | {
    readonly kind: "issue-caps";
    readonly desktopId: string;
    readonly sessionId: string;
    readonly caps: DesktopCaps;
    readonly linkIds: readonly string[];
  }
  /** No more credentials for this session. */
  | { readonly kind: "revoke"; readonly desktopId: string; readonly sessionId: string }
  /** Binary frames of the session may pass between these links. */
  | {
    readonly kind: "route";
    readonly desktopId: string;
    readonly sessionId: string;
    readonly agentLinkId: string;
    readonly consoleLinkId: string;
    readonly viewOnly: boolean;
  }
  | { readonly kind: "unroute"; readonly sessionId: string }
  /** Consoles want a fresh DESKTOP_LIST. */
  | { readonly kind: "desktops-changed" };
