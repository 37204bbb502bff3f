/** The console's line icons on a 20-pixel grid; decorative, the control carries the label. */

const PATHS = {
  back: "M12.5 4.5 7 10l5.5 5.5",
  check: "m4.5 10.5 3.5 3.5 7.5-8",
  chevron: "m5.5 8 4.5 4.5L14.5 8",
  close: "m5 5 10 10M15 5 5 15",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  displays: "M2 5h9v7H2zM13 7.5h5v6h-5zM4.5 15h4M6.5 12v3M14.5 16h2",
  eye:
    "M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5Zm7.5 2.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Z",
  fit: "M3.5 7.5v-4h4M16.5 7.5v-4h-4M3.5 12.5v4h4M16.5 12.5v4h-4",
  fullscreen: "M8 12 3.5 16.5m0 0v-4m0 4h4M12 8l4.5-4.5m0 0v4m0-4h-4",
  sliders:
    "M3 6h8m4 0h2M3 14h2m4 0h8M13 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  gauge: "M4.2 15.5a7.5 7.5 0 1 1 11.6 0M10 11.5l3.2-4M10 12.6a1 1 0 1 0 0-2 1 1 0 0 0 0 2Z",
  hand:
    "M6.5 10.5V5.2a1.2 1.2 0 0 1 2.4 0V9m0-5.3a1.2 1.2 0 0 1 2.4 0V9m0-4.3a1.2 1.2 0 0 1 2.4 0v6.6c0 3.4-1.7 5.4-4.4 5.4-2.3 0-3.3-.9-4.5-3l-1.6-2.9c-.6-1.1.9-2 1.7-1.1l1.6 1.8",
  keyboard: "M2.5 5.5h15v9h-15zM5.5 8.3h.01M8.5 8.3h.01M11.5 8.3h.01M14.5 8.3h.01M6.5 11.7h7",
  keys:
    "M5.5 3.5h9a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2v-9a2 2 0 0 1 2-2ZM7 10.8l3-3 3 3",
  moon: "M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3Z",
  muted: "M3.5 8v4h2.7l3.8 3.2V4.8L6.2 8zM13 8l4 4M17 8l-4 4",
  power: "M10 3v6.5M6 5.2a6.3 6.3 0 1 0 8 0",
  screen: "M2.5 4h15v10h-15zM7 17h6M10 14v3",
  sound: "M3.5 8v4h2.7l3.8 3.2V4.8L6.2 8zM13 7.6a3.4 3.4 0 0 1 0 4.8M15.3 5.3a6.6 6.6 0 0 1 0 9.4",
  sun:
    "M10 13.3a3.3 3.3 0 1 0 0-6.6 3.3 3.3 0 0 0 0 6.6ZM10 2v1.6M10 16.4V18M2 10h1.6M16.4 10H18M4.3 4.3l1.2 1.2M14.5 14.5l1.2 1.2M4.3 15.7l1.2-1.2M14.5 5.5l1.2-1.2",
  system: "M10 3a7 7 0 1 0 0 14Zm0 0a7 7 0 1 1 0 14",
  text: "M4.5 6V4.5h11V6M10 4.5v11M8 15.5h4",
  users:
    "M7.5 9.5a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4ZM2.5 16c.3-2.8 2.2-4.3 5-4.3s4.7 1.5 5 4.3M13 4.4a2.6 2.6 0 0 1 0 4.9M14.6 12c1.7.5 2.7 1.9 2.9 4",
  warning: "M10 3.5 17.5 16h-15ZM10 8v4M10 14h.01",
} as const;

/** Names of the icons. */
export type IconName = keyof typeof PATHS;

/** One icon, as large as the text beside it unless `size` (pixels) says otherwise. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      className="shrink-0"
      fill="none"
      height={size}
      stroke="currentColor"
      strokeLinecap="round"
      strokeLinejoin="round"
      strokeWidth="1.5"
      viewBox="0 0 20 20"
      width={size}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The product's mark. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg
      aria-hidden="true"
      className="shrink-0"
      fill="none"
      height={size}
      viewBox="0 0 32 32"
      width={size}
    >
      <rect fill="var(--color-accent)" height="32" rx="8" width="32" />
      <rect height="13" rx="2.5" stroke="#fff" strokeWidth="2" width="19" x="6.5" y="8" />
      <path d="M12.5 25h7" stroke="#fff" strokeLinecap="round" strokeWidth="2" />
      <circle cx="16" cy="14.5" fill="#fff" r="2.75" />
    </svg>
  );
}
