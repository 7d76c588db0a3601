import { describeStory } from "./story.js";

describeStory("v2.70");
