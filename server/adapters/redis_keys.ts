/**
 * Every key in Redis. What stands in braces is the hash tag: all keys of one desktop live in one
 * cluster slot, so that one script may change them together.
 *
 * | key | shape | lifetime |
 * | --- | --- | --- |
 * | `fg:{D}:state` | hash: `rev` counts writes, `d` the desktop, `s:<session>` each live and `e:<session>` each ended session, as JSON | redis.desktopSeconds after the last write or its node's refresh |
 * | `fg:{D}:link:L` | hash of one link at one desktop: `n` counts its mail, `m:<n>` mail not yet numbered by the link, and a few that are, `q` the last message of it that was dealt with | redis.linkSeconds after the last mail or refresh |
 * | `fg:{L}:link` | hash: `token` and `node` of its owner, `box` the same token when the owner listens to its node's topic for mail, `id`, `agent`, `sent`, `c:<desktop>` the mail taken, `u:<seq>` each unacknowledged message | redis.linkSeconds after the last attach or refresh; 60 s once detached for good or swept |
 * | `fg:{S}:session` | string: the desktop of a session | history.hours or as `state`, whichever is longer, from its start, refresh and end |
 * | `fg:{D}:ended:S` | string: an ended session with agent and abilities, as JSON | history.hours from its end; sooner when there are history.sessionsPerDesktop newer ones |
 * | `fg:{D}:history` | sorted set: ended session by its end, Unix ms | history.hours after the last end |
 * | `fg:{desktops}:all` | sorted set: desktop by the time it may be forgotten, Unix seconds | as `state` |
 * | `fg:{nodes}:beats` | sorted set: node by its last beat, a number that only grows; 0: it has left | 1 h after the last beat |
 * | `fg:{nodes}:sweep:N` | string: node N is dead and being cleared away | 10 s |
 * | `fg:{N}:links` | set: links that node N owns | redis.linkSeconds after the last attach or refresh |
 * | `fg:{O}:places` | sorted set: sessions of operator O by when they were admitted, Unix ms of Redis | redis.desktopSeconds after the last one or its node's refresh |
 * | `fg:{once}:T` | string: value of a single-use secret; T is its SHA-256 | its own, at most 10 min |
 * | `fg:{once}:all` | sorted set: T by its expiry, Unix ms of Redis | 10 min after the last one |
 *
 * Channels: `fg:bus:<topic>`.
 */
export const stateKey = (desktopId: string): string => `fg:{${desktopId}}:state`;
export const mailKey = (desktopId: string, linkId: string): string =>
  `fg:{${desktopId}}:link:${linkId}`;
export const linkKey = (linkId: string): string => `fg:{${linkId}}:link`;
export const sessionKey = (sessionId: string): string => `fg:{${sessionId}}:session`;
export const endedPrefix = (desktopId: string): string => `fg:{${desktopId}}:ended:`;
export const historyKey = (desktopId: string): string => `fg:{${desktopId}}:history`;
export const DESKTOPS_KEY = "fg:{desktops}:all";
export const BEATS_KEY = "fg:{nodes}:beats";
export const sweepKey = (nodeId: string): string => `fg:{nodes}:sweep:${nodeId}`;
export const nodeLinksKey = (nodeId: string): string => `fg:{${nodeId}}:links`;
export const placesKey = (operatorId: string): string => `fg:{${operatorId}}:places`;
export const onceKey = (digest: string): string => `fg:{once}:${digest}`;
export const ONCE_ALL_KEY = "fg:{once}:all";
export const channelOf = (topic: string): string => `fg:bus:${topic}`;
export const topicOf = (channel: string): string => channel.slice("fg:bus:".length);
